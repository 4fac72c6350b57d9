// Asks the processor for a cache line that will be needed soon. Harmless whatever the address is.
//
// Not __builtin_prefetch: to g++ 12 a function that does nothing else has no effect, and calls of it are left out.
#pragma once

namespace weft::sys {

[[gnu::always_inline]] inline void fetch_line(const void* at) noexcept {
  asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(at)));
}

}  // namespace weft::sys
