// What turns a stack overflow into a sentence: Weft's SIGSEGV and SIGBUS handler, on an alternate stack per OS thread.
#pragma once

#include <cstddef>

#include "weft/detail/runtime.hpp"

namespace weft::core {

// Once a process: installs the handler in front of the program's own, which still gets every fault that is not an overflow.
void install_handlers();

// Gives the calling thread an alternate signal stack, unless it has one, and notes it in its block.
void take_signal_stack(detail::carrier* block);
void release_signal_stack(detail::carrier* block);

// "256k", "1M", "65536" in bytes; 0 when it is no size.
std::size_t parse_size(const char* text) noexcept;

}  // namespace weft::core
