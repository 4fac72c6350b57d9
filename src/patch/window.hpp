// Which bytes a five-byte jump displaces: those that follow the syscall, else those that precede it, else some of both.
//
// The rules: nothing may jump to an instruction inside the window (its first one excepted: a jump there finds our jump);
// every displaced instruction must be able to run in the trampoline; a call never moves (its return address would), nor
// another syscall; behind a ret or jmp only padding may be taken, which nobody misses.
#pragma once

#include <span>

#include "patch/decoder.hpp"
#include "patch/site.hpp"
#include "patch/targets.hpp"

namespace weft::patch {

inline constexpr std::uint8_t syscall_length = 2;
inline constexpr std::uint8_t jump_length = 5;

// An instruction and its place. Steps of one run follow each other without a gap.
struct step {
  std::uintptr_t at;
  instruction what;
};

struct window {
  std::uint8_t before = 0, after = 0;
  site_state state = site_state::no_room;  // patchable, or why not
};

// `before` ends at the site, `after` begins behind it. `taken` is where the previous site's window ends.
window choose_window(std::uintptr_t site, std::span<const step> before, std::span<const step> after,
                     const target_set& targets, std::uintptr_t taken);

}  // namespace weft::patch
