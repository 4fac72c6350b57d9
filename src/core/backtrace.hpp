// Walking stacks, and what a return address is called. For reports: run_info, the watchdog.
#pragma once

#include <string>
#include <unwind.h>

namespace weft::core {

struct frames {
  static constexpr int most = 24;
  void* at[most];
  int count = 0;
};

// For _Unwind_Backtrace, with a `frames`. Async-signal-safe, once _Unwind_Backtrace has been called before in the process.
_Unwind_Reason_Code note_frame(_Unwind_Context* context, void* into) noexcept;

// "function(int) (library.so+0x1234)". Takes the loader's lock.
std::string symbol(const void* address);

// One line a frame, beginning with the one at `first`: those that are the program's to see (plumbing.hpp), or all (WEFT_FRAMES=all).
void append_frames(const frames& trace, std::string& out, int first = 0);

}  // namespace weft::core
