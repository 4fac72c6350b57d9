// The table by which debuggers and `weft ps` find their way in a process from outside, as libthread_db does by libpthread's: where
// the lists begin, and at which offset of which struct each fact stands. Exported as `weft_debug_layout` and found there even in a
// stripped libweft.so, by name, so that who reads needs no debugging information and a table may grow.
//
// Plain data with fixed sizes, never changed at run time: it is read out of other processes and core dumps, by programs of other
// releases. A reader looks a name up and does without what it does not find; `version` changes only when the meaning of a name does.
//
// Names are "struct.member" for offsets, "struct:size" for sizes, "struct:what" for other numbers; bits and states are such numbers.
// Who walks a list must expect it half changed, unless the process stands still, and memory that is not there any more.
#pragma once

#include <cstdint>

#include "weft/detail/runtime.hpp"

namespace weft::inspect {

struct layout_number {
  char name[40];
  std::uint32_t value;
  std::uint32_t size;   // of the member; 0 for what is no offset
};

struct layout_root {
  char name[40];
  const void* address;  // in the process, of a variable
};

// What `weft_debug_layout` begins with. `numbers` and `roots` follow at the offsets that it names.
struct layout_header {
  char magic[8];        // "weftdbg", and a zero
  std::uint32_t version;
  std::uint32_t header_size;
  std::uint32_t numbers_at, number_size, number_count;
  std::uint32_t roots_at, root_size, root_count;
};

inline constexpr char layout_magic[8] = "weftdbg";
inline constexpr std::uint32_t layout_version = 1;

}  // namespace weft::inspect
