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

// Before each section that was published. They stay, and those who look from outside find them all (inspect/debug_layout.hpp).
struct published_table {
  published_table* next;
  std::uint64_t bytes;
};
extern published_table* first_unwind_table;

// An .eh_frame section, written where it is to stay: each process that starts writes some tens of KB here, and no page more.
class unwind_table {
public:
  // Room for so many trampolines. Without memory nothing is added, and only walks through interrupted calls end early.
  explicit unwind_table(std::size_t trampolines) noexcept;
  unwind_table(unwind_table&& other) noexcept;
  unwind_table& operator=(unwind_table&& other) noexcept;
  unwind_table() = default;
  ~unwind_table();

  // The rows of one trampoline, which ends at `end`.
  void add(const std::vector<unwind_row>& rows, std::uintptr_t end) noexcept;
  // Hands it to the unwinder, for good.
  void publish() noexcept;

private:
  unsigned char* at_ = nullptr;  // a published_table, and the section behind it
  std::size_t room_ = 0;
  std::size_t used_ = 0;         // of the section
};

}  // namespace weft::patch
