// Where functions begin and end, from an object's .eh_frame_hdr: the only list of functions that every binary carries into
// memory. Assembly without unwind entries shows up as a gap between two neighbours.
#pragma once

#include <cstdint>
#include <optional>

#include "patch/elf_image.hpp"

namespace weft::patch {

struct function_range {
  std::uintptr_t begin = 0, end = 0;
  std::uintptr_t limit = 0;  // where the next function begins: between `end` and here lies only padding
  bool listed = true;        // false: a gap, and `begin` may be padding
};

class fde_table {
public:
  // Reads the table at `eh_frame_hdr`; empty when the address is 0 or the encoding is not the one linkers write.
  fde_table(std::uintptr_t eh_frame_hdr, range text);

  bool empty() const noexcept { return count_ == 0; }

  // The function that holds `address`, or the gap that does; nullopt outside the table's reach.
  std::optional<function_range> find(std::uintptr_t address) const;

private:
  std::uintptr_t start_of(std::size_t k) const;
  std::uintptr_t end_of(std::size_t k) const;

  std::uintptr_t header_ = 0;
  const std::int32_t* rows_ = nullptr;  // pairs: start of function, its FDE, both relative to header_
  std::size_t count_ = 0;
  range text_;
};

}  // namespace weft::patch
