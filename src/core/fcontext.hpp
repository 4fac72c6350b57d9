// Boost.Context's assembly, declared here: its own header needs a standard library with floating point.
#pragma once

#include <cstddef>

namespace weft::core {

// What jump_fcontext returns, in registers: where the jump came from, and the pointer that came along.
struct transfer_t {
  void* fctx;
  void* data;
};

extern "C" {
transfer_t jump_fcontext(void* to, void* data);
void* make_fcontext(void* stack_top, std::size_t size, void (*entry)(transfer_t));
// Calls `fn` on top of the suspended context `to`, which resumes when it returns.
transfer_t ontop_fcontext(void* to, void* data, transfer_t (*fn)(transfer_t));
}

// jump_fcontext without the `call`. It leaves by an indirect jump, so a call would leave an entry on the processor's return
// stack that no `ret` takes off: from then on every return of the resumed fiber is predicted one level wrong (measured: a switch
// of 27 ns instead of 10). The return address is pushed by hand; files that use this are built with -mno-red-zone. x86-64 only.
[[gnu::always_inline]] inline transfer_t jump(void* to, void* data) noexcept {
  transfer_t from;
  asm volatile(
      "lea 1f(%%rip), %%rax\n\t"
      "push %%rax\n\t"
      "jmp jump_fcontext\n"
      "1:"
      : "=a"(from.fctx), "=d"(from.data), "+D"(to), "+S"(data)
      :
      : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
  return from;
}

}  // namespace weft::core
