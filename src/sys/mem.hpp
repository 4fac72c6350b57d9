// Memory without libc: mappings straight from the kernel, and byte copies that no interposed or preempted malloc can enter.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::sys {

inline constexpr std::size_t page_size = 4096;

// Copies n bytes; the ranges must not overlap. `rep movsb` rather than a loop, which a compiler would turn into a call of memcpy.
inline void copy(void* to, const void* from, std::size_t n) noexcept {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

inline void fill(void* to, unsigned char byte, std::size_t n) noexcept {
  asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
}

inline std::size_t length(const char* s) noexcept {
  std::size_t n = 0;
  while (s[n] != 0) {
    ++n;
    asm("" : "+r"(n));  // or the compiler recognises strlen and calls it
  }
  return n;
}

// Maps `bytes` of zeroed private memory, touched lazily and not counted against overcommit; null when the kernel refuses
// (RLIMIT_AS, vm.max_map_count).
void* map(std::size_t bytes) noexcept;
void unmap(void* at, std::size_t bytes) noexcept;

// How much address space may be reserved at once for what may never come: `most`, or a small part of a limit that is in force now.
std::size_t reservable(std::size_t most) noexcept;

constexpr std::size_t round_up(std::size_t n, std::size_t to) noexcept { return (n + to - 1) / to * to; }

}  // namespace weft::sys
