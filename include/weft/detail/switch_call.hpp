// How inline code enters the two functions that switch fibers. x86-64 only.
//
// A `call` leaves its return address on the processor's return stack; by the time the `ret` comes, another fiber runs, and if that one
// parked at another place the prediction is wrong (measured: 8 ns a switch). So the return address is pushed by hand and the
// function entered by a jump; it comes back by an indirect jump, which is predicted from history (src/core/entry_x86_64.S).
// To compilers the statement is a call of an unknown function: everything that the ABI lets a call clobber is listed, and also
// what it would have to preserve: so the caller saves what it needs, and not every register is saved at every switch. The functions
// below must also contain a real call, as they do: a function without calls may keep data below the stack pointer.
#pragma once

#include "weft/detail/runtime.hpp"
#include "weft/detail/switch_text.hpp"

#define WEFT_CALL_CLOBBERS                                                                                                      \
  "rbx", "r12", "r13", "r14", "r15", "rcx", "r8", "r9", "r10", "r11", "memory", "cc" WEFT_CLOBBERS_VECTORS

namespace weft::detail {

// Throws what `why` stands for: cancelled, the thrown-in exception, deadlock, would_block_hub. Returns for ready, timeout, closed.
WEFT_API void throw_if_ended(hub& h, wake why, const char* reason);

// detail::park and detail::yield, inline.
[[gnu::always_inline]] inline wake park_here(hub& h, waiter& w, nanos deadline) noexcept {
  hub* home = &h;
  waiter* wait = &w;
  unsigned why;
  asm volatile(
      "lea 1f(%%rip), %%rax\n\t"
      "push %%rax\n\t"
      "jmp *weft_switch_park@GOTPCREL(%%rip)\n"
      "1:"
      : "=a"(why), "+D"(home), "+S"(wait), "+d"(deadline)
      :
      : WEFT_CALL_CLOBBERS);
  return static_cast<wake>(why & 0xff);
}

[[gnu::always_inline]] inline wake rotate_here(hub& h) noexcept {
  hub* home = &h;
  unsigned due;
  asm volatile(
      "lea 1f(%%rip), %%rax\n\t"
      "push %%rax\n\t"
      "jmp *weft_switch_yield@GOTPCREL(%%rip)\n"
      "1:"
      : "=a"(due), "+D"(home)
      :
      : "rdx", "rsi", WEFT_CALL_CLOBBERS);
  return static_cast<wake>(due & 0xff);
}

// Parks until woken or the deadline; true when woken, false on timeout; throws on anything else.
[[gnu::always_inline]] inline bool wait_on(hub& h, waiter& w, nanos deadline = never) {
  if (park_here(h, w, deadline) == wake::ready) [[likely]]
    return true;
  throw_if_ended(h, w.result, w.reason);
  return w.result != wake::timeout;
}

// Lets every fiber that is ready now run first; throws what is due for the caller before or after.
[[gnu::always_inline]] inline void yield_here(hub& h) {
  if (const wake due = rotate_here(h); due != wake::ready) [[unlikely]]
    throw_if_ended(h, due, "yield");
}

}  // namespace weft::detail

#undef WEFT_CALL_CLOBBERS
