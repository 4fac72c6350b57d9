// Lets unwinders walk through trampolines: thread cancellation, backtraces from signal handlers and crash reporters all meet
// threads that the kernel interrupted there.
//
// A trampoline has no frame of its own. Its entries say, as a signal frame's would: the caller is the original code, at the
// instruction this one stands for, with the same registers. libc's own tables then describe the rest, whatever it is. They
// are registered with libgcc for good; gdb finds them by first_unwind_table.
#pragma once

#include <cstdint>
#include <vector>

namespace weft::patch {

// From `at` on the code stands for the original instruction at `original`, with the stack pointer `stepped` bytes lower.
struct unwind_row {
  std::uintptr_t at;
  std::uintptr_t original;
  std::uint8_t stepped;
};

// The rows of one trampoline, which ends at `end`.
struct unwind_entry {
  std::uintptr_t end;
  std::vector<unwind_row> rows;
};

// Before each section that was published. They stay, and those who look from outside find them all (inspect/debug_layout.hpp).
struct published_table {
  published_table* next;
  std::uint64_t bytes;
};
extern published_table* first_unwind_table;

// Writes the entries as an .eh_frame section into memory that stays and hands it to the unwinder. False without memory.
bool publish_unwind_table(const std::vector<unwind_entry>& entries);

}  // namespace weft::patch
