// SO_RCVLOWAT: how many bytes a blocking receive on a stream waits for (socket(7)). Without it one is enough, which every call assumes
// until the program has set one on any socket: then the kernel is asked, at each receive that got less than it wanted.
#pragma once

#include <cstddef>

#include "sys/atomic.hpp"

namespace weft::io {

// Set by setsockopt, in any thread, and never taken back. Sockets that come from a process that set theirs count as if they had none.
extern sys::atomic<bool> low_water_used;

// The mark of a stream, 1 for everything else.
std::size_t low_water_of(int fd) noexcept;

// Of a receive that wants `n` bytes.
inline std::size_t least_bytes(int fd, std::size_t n) noexcept {
  if (!low_water_used.load_relaxed()) [[likely]]
    return 1;
  const std::size_t mark = low_water_of(fd);
  return mark < n ? mark : n;
}

}  // namespace weft::io
