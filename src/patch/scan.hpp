// Finds the syscall instructions of one text segment and decides for each whether and how it can be redirected.
//
// Only functions that hold a candidate (the bytes 0f 05) are decoded. The result depends on the bytes alone and changes
// nothing. Start-up path only.
#pragma once

#include <functional>
#include <optional>

#include "patch/decoder.hpp"
#include "patch/elf_image.hpp"
#include "patch/fde_table.hpp"
#include "patch/site.hpp"

namespace weft::patch {

struct code {
  std::uintptr_t base = 0;      // sites are counted from here
  range text;                   // what is searched
  std::vector<range> readable;  // where jump tables may lie
  std::function<std::optional<function_range>(std::uintptr_t)> function_at;
};

// Every real syscall instruction in the text, those that cannot be redirected included. Bytes 0f 05 inside another
// instruction are none.
site_table scan(const decoder& d, const code& c);

// Whether the bytes of a syscall stand anywhere in it: without them there is nothing to scan.
bool holds_candidate(const range& text);

}  // namespace weft::patch
