// What turns a stack overflow into a sentence: Weft's SIGSEGV and SIGBUS handler, on an alternate stack per OS thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "weft/detail/runtime.hpp"

namespace weft::core {

// Once a process: installs the handler in front of the program's own, which still gets every fault that is not an overflow.
void install_handlers();

// The handler, and what the program had in its place before; of SIGSEGV and SIGBUS. For src/io, where green threads take it over.
struct fault_action {
  void* handler = nullptr;
  std::uint64_t flags = 0, mask = 0;
};
inline const void* fault_handler = nullptr;
inline fault_action programs_fault_actions[2];
// Says on standard error that a fiber's stack has overflown, if that is what the fault is.
inline bool (*explain_overflow)(const void* address) noexcept = nullptr;

// Called before a signal ends the process of which Weft's handler saw it: the trace. Async-signal-safe.
inline void (*before_death)(int number) noexcept = nullptr;

// Gives the calling thread an alternate signal stack, unless it has one, and notes it in its block.
void take_signal_stack(detail::carrier* block);
void release_signal_stack(detail::carrier* block);

}  // namespace weft::core
