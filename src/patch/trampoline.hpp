// The code that runs instead of a site: the displaced instructions, a look at the handler table, the original syscall.
//
//       displaced instructions from in front of the site
//       mov   handlers[nr], %rcx          rcx and r11 are free: the kernel would overwrite them
//       jrcxz raw                         no handler: the syscall runs with flags, stack and registers untouched
//       lea   -128(%rsp), %rsp            over the red zone
//       lea   site+2, %r11
//       call  *entry
//       lea   128(%rsp), %rsp
//       jrcxz done                        answered
//  raw: syscall                           the caller's own stack pointer: a vfork child may return past this frame
// done: displaced instructions from behind the site
//       jmp   back
//
// A site whose number is not known compares rax with the table's size first and takes the number from there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "patch/displaced.hpp"
#include "patch/moved_address.hpp"
#include "patch/site.hpp"
#include "patch/unwind_table.hpp"

namespace weft::patch {

// What every trampoline of one region needs to reach, whatever the distance: the region begins with these words.
struct region_header {
  std::uintptr_t entry;     // weft_patch_entry
  std::uintptr_t plain;     // weft_patch_entry_plain
  std::uintptr_t handlers;  // the table
};

inline constexpr std::size_t trampoline_most_bytes = 160;

struct trampoline {
  std::uintptr_t start = 0;  // 0: an instruction could not be moved
  std::uintptr_t end = 0;
  std::uintptr_t dispatch = 0;  // where the site's own work begins, behind the displaced instructions in front of it
  std::uintptr_t done = 0;      // where a thread goes on that has come back from the kernel
  std::vector<moved_address> moved;  // where each displaced instruction but the window's first has gone
  std::vector<unwind_row> rows;      // which original instruction each part stands for
};

// Writes the trampoline of `s` at `at`, which must have trampoline_most_bytes of room and lie within reach of the site.
// `header_at` is where the region's header is or will be.
trampoline write_trampoline(const displaced_code& code, std::uintptr_t base, const site& s, std::uint8_t* at,
                            const region_header& header, std::uintptr_t header_at);

}  // namespace weft::patch
