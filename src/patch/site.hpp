// A `syscall` instruction in a loaded object, and what was decided about it: a plain value that depends on the object's
// bytes alone: a table of these is kept from run to run (site_cache.hpp).
#pragma once

#include <cstdint>
#include <vector>

namespace weft::patch {

enum class site_state : std::uint8_t {
  patchable,      // `before` and `after` say which bytes the jump displaces
  signal_return,  // rt_sigreturn: unwinders recognise the stub by these very bytes
  no_function,    // no unwind entry says where its function begins
  undecodable,    // bytes between the function's beginning and the site are no instructions
  no_room,        // fewer than five bytes around it may be displaced: calls, other sites, the function's end
  branch_inside,  // would have room, if nothing jumped into it
  immovable,      // would have room, if the instructions there could run elsewhere
  overlap,        // the room is taken by a neighbouring site
};

const char* describe(site_state s) noexcept;

struct site {
  std::uint32_t offset = 0;  // of the syscall instruction, from the object's base
  std::int32_t nr = -1;      // the number it is called with, -1 when it is not one constant
  std::uint8_t before = 0;   // bytes displaced in front of the instruction
  std::uint8_t after = 0;    // bytes displaced behind its two
  site_state state = site_state::patchable;
  bool vectors = true;       // its function, or a caller, may keep a value in a vector register across it (vector_use.hpp)

  friend bool operator==(const site&, const site&) = default;
};

using site_table = std::vector<site>;  // by ascending offset

}  // namespace weft::patch
