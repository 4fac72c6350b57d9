// Where an instruction pointer must go that stands at `from` when a window is overwritten. Shared with the run-time path.
#pragma once

#include <cstdint>

namespace weft::patch {

struct moved_address {
  std::uintptr_t from, to;
};

}  // namespace weft::patch
