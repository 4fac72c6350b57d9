// Sizes as people write them in environment variables. No libc.
#pragma once

#include <cstddef>

namespace weft::sys {

// "256k", "1M", "65536" in bytes; 0 when it is no size.
inline std::size_t parse_size(const char* text) noexcept {
  std::size_t n = 0;
  for (; *text >= '0' && *text <= '9'; ++text) n = n * 10 + static_cast<std::size_t>(*text - '0');
  switch (*text) {
    case 'k': case 'K': return n << 10;
    case 'm': case 'M': return n << 20;
    case 'g': case 'G': return n << 30;
    case 0: return n;
    default: return 0;
  }
}

}  // namespace weft::sys
