// The table of debug_layout.hpp, found in another process and looked up by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "inspect/memory.hpp"
#include "inspect/process.hpp"

namespace weft::inspect {

class layout {
public:
  // Throws failure when the process has no libweft.so in it, or one of a release that this one does not understand.
  layout(const process& p, memory& m);

  // Offset, size or other number of that name. Throws failure when the table has none: an older library.
  std::uint32_t operator[](std::string_view name) const;
  bool has(std::string_view name) const { return numbers_.contains(std::string(name)); }
  // Address of a variable; 0 when the table names none.
  address root(std::string_view name) const;

  // libweft.so's mapping, or that of the program that contains it.
  const std::string& library() const { return library_; }

private:
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::unordered_map<std::string, address> roots_;
  std::string library_;
};

// The address of a symbol that the object mapped from `base` on exports; 0: none. Read from the process's memory alone, so that files that
// were stripped, replaced or deleted do not matter.
address exported_symbol(memory& m, address base, std::string_view name);

}  // namespace weft::inspect
