// What the rewritten sites and the rest of Weft agree on: the words a caller left in registers, and one table of handlers.
//
// This header and table.cpp are run-time path: no libc, no malloc, no vector registers. Handlers run on the caller's own
// stack, between two instructions of a function that keeps vector registers live across `syscall`; they must be built with
// -mgeneral-regs-only and may only reach code that is, or that saves what it touches.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::patch {

// The caller's registers as the entry stored them. A handler reads them; it must not change the arguments, because the
// compiler that built the caller counts on the kernel preserving every register but rax, rcx and r11.
struct call_frame {
  long rdi, rsi, rdx, r10, r8, r9;
  long vectors;           // not 0: vector registers may hold values of the caller's (vector_use.hpp), a park must keep them
  long nr;                // what was in rax
  const void* site;       // the address after the rewritten `syscall`: what a debugger or an unwinder calls the caller's pc
  const void* return_to;  // inside the trampoline
};
static_assert(sizeof(call_frame) == 80, "entry.S knows the layout");

// Between a frame and the caller's stack pointer lie the frame itself and the red zone, which the trampoline stepped over.
inline constexpr std::size_t frame_to_caller_stack = sizeof(call_frame) + 128;

// A handler's answer, returned in rax and rdx.
struct verdict {
  long result;  // as the kernel returns it: >= 0, or -errno
  // 1: ignore `result` and execute the original instruction, with the original stack pointer. 2, only with carrier::due set: ask the
  // handler again.
  long pass;
};

// May park the calling fiber before it answers. Must not throw C++ exceptions through libc functions that are not prepared
// for them; forced unwinding (thread cancellation) passes through the entry as it passes through a signal frame.
using handler = verdict (*)(call_frame* frame, long nr);

inline constexpr long handler_count = 512;

// By system call number; null means the original instruction runs. A rewritten site loads its entry once per call, so an
// entry may be set or cleared at any time with one aligned store.
extern "C" __attribute__((visibility("hidden"))) handler weft_patch_handlers[handler_count];
inline handler (&handlers)[handler_count] = weft_patch_handlers;

inline void set_handler(long nr, handler h) noexcept { __atomic_store_n(&weft_patch_handlers[nr], h, __ATOMIC_RELEASE); }

// Sets handlers besides those of src/io, before sites are chosen by whether their call has one. Set by src/green.
inline void (*more_handlers)() noexcept = nullptr;
// Called after all of those, to stand before some of them. Set by src/trace.
inline void (*last_handlers)() noexcept = nullptr;

// Called by the entry when carrier::due is set after a handler has answered. May switch. Not 0: the entry sends signal 33 to the thread
// in weft_patch_self (process, thread), whose handler finds itself at one of the two addresses below and runs handlers of the program's
// there; then the entry asks again.
extern "C" __attribute__((visibility("hidden"))) int (*weft_patch_due)(call_frame* frame);
extern "C" __attribute__((visibility("hidden"))) int weft_patch_self[2];
extern "C" __attribute__((visibility("hidden"))) const char weft_patch_entry_interrupted[], weft_patch_entry_plain_interrupted[];

// Where the entry only gives back what is the caller's: as good as the caller's own code.
extern "C" __attribute__((visibility("hidden"))) const char weft_patch_entry_leaving[], weft_patch_entry_left[],
    weft_patch_entry_plain_leaving[], weft_patch_entry_plain_left[];

inline bool is_leaving(std::uint64_t pc) noexcept {
  const auto in = [pc](const char* from, const char* to) {
    return pc >= reinterpret_cast<std::uint64_t>(from) && pc < reinterpret_cast<std::uint64_t>(to);
  };
  return in(weft_patch_entry_leaving, weft_patch_entry_left) || in(weft_patch_entry_plain_leaving, weft_patch_entry_plain_left);
}
inline bool is_interrupted_entry(std::uint64_t pc) noexcept {
  return pc == reinterpret_cast<std::uint64_t>(weft_patch_entry_interrupted) ||
         pc == reinterpret_cast<std::uint64_t>(weft_patch_entry_plain_interrupted);
}
// What lies on the stack of an interrupted entry: the handler's answer.
struct kept_answer {
  long pass, result;
};

// Where trampolines call (entry.S); not C++ functions. The second is for sites at which no vector register holds anything.
extern "C" __attribute__((visibility("hidden"))) void weft_patch_entry();
extern "C" __attribute__((visibility("hidden"))) void weft_patch_entry_plain();

}  // namespace weft::patch
