// A text in the program's memory, which may lie anywhere, or nowhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "io/user_word.hpp"

namespace weft::green {

// Copies what stands before a zero, at most size - 1 bytes, and ends it with a zero. How long it is there (size - 1: perhaps longer);
// -1 where the kernel would answer EFAULT.
inline long copy_text(char* to, std::size_t size, const char* user) noexcept {
  const auto from = reinterpret_cast<std::uint64_t>(user);
  std::uint32_t word = 0;
  std::size_t n = 0;
  for (; n + 1 < size; ++n) {
    const std::uint64_t at = from + n;
    if ((n == 0 || at % 4 == 0) && !io::load_word(reinterpret_cast<const void*>(at & ~std::uint64_t{3}), word)) return -1;
    to[n] = static_cast<char>(word >> at % 4 * 8);
    if (to[n] == 0) return static_cast<long>(n);
  }
  to[n] = 0;
  return static_cast<long>(n);
}

}  // namespace weft::green
