// The switch between two suspended stacks. x86-64 only.
//
// Boost.Context makes a stack's first frame and enters it (context.cpp); from then on its fiber is suspended and resumed here,
// inline in the function that parks, which has saved its caller's registers once already and shares everything else that both
// sides know. Files that use this are built with -mno-red-zone and frame pointers.
#pragma once

#include <cstdint>

#include "weft/detail/switch_text.hpp"

namespace weft::core {

// What lies at the stack pointer of a suspended stack.
struct suspended {
  std::uint32_t mxcsr;
  std::uint16_t x87;
  std::uint16_t unused;
  const void* resume_at;
  void* frame_pointer;
};
static_assert(sizeof(suspended) == 24);

// Who meets at a switch. Each side fills it in its own way, and finds in it, when it is resumed, what the other side had: so
// nothing of it need be kept on a stack, and the compiler is not led to keep everything there.
template <class Hub, class Fiber>
struct crossing {
  Hub* hub;       // the same on both sides
  Fiber* left;    // who is suspended now
  Fiber* resumed;
};

// Suspends `c.left`, which is the caller, noting where in `save`, and resumes what stands at `load`, which is `c.resumed`. Returns,
// when somebody resumes the caller, that one's crossing. It leaves by an indirect jump and comes back by one: no call stands on
// the processor's return stack without its return.
template <class Hub, class Fiber>
[[gnu::always_inline]] inline crossing<Hub, Fiber> swap_stacks(crossing<Hub, Fiber> c, void** save, void* load) noexcept {
  asm volatile(
      WEFT_SWAP_STACKS
      : "+a"(c.left), "+b"(c.hub), "+S"(c.resumed), "+D"(save), "+d"(load)
      :
      : "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
  return c;
}

// The floating-point modes, as a `suspended` has them.
inline std::uint64_t floating_point_modes() noexcept {
  struct {
    std::uint32_t mxcsr;
    std::uint16_t x87, unused;
  } now{};
  asm volatile("stmxcsr %0" : "=m"(now.mxcsr));
  asm volatile("fnstcw %0" : "=m"(now.x87));
  return now.mxcsr | std::uint64_t{now.x87} << 32;
}

// The same for one who is over: whoever goes on here finds `modes`, not what the caller has left. (Asking the processor for its modes
// is what a switch costs most by: 3 of 5 ns.)
template <class Hub, class Fiber>
[[gnu::always_inline]] inline crossing<Hub, Fiber> swap_stacks_for_good(crossing<Hub, Fiber> c, void** save, void* load,
                                                                        std::uint64_t modes) noexcept {
  register std::uint64_t pushed asm("r8") = modes;
  asm volatile(
      WEFT_SWAP_STACKS_WITH("push %%r8\n\t")
      : "+a"(c.left), "+b"(c.hub), "+S"(c.resumed), "+D"(save), "+d"(load), "+r"(pushed)
      :
      : "rcx", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
  return c;
}

// Where a stack that nobody has run on yet is resumed: with the crossing in registers and its fcontext in the place of the frame
// pointer, it jumps there (entry_x86_64.S).
extern "C" [[gnu::visibility("hidden")]] void weft_first_entry() noexcept;

// Makes `at`, just below the frame of `fcontext`, resumable by swap_stacks.
inline void* suspend_before(void* fcontext) noexcept {
  auto* at = reinterpret_cast<suspended*>((reinterpret_cast<std::uintptr_t>(fcontext) - sizeof(suspended)) & ~std::uintptr_t{15});
  asm volatile("stmxcsr %0" : "=m"(at->mxcsr));
  asm volatile("fnstcw %0" : "=m"(at->x87));
  at->resume_at = reinterpret_cast<const void*>(&weft_first_entry);
  at->frame_pointer = fcontext;
  return at;
}

}  // namespace weft::core
