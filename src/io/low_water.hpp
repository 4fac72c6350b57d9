// SO_RCVLOWAT: how many bytes a blocking receive on a stream waits for (socket(7)). Without it one is enough, which every call assumes
// until the program has set one on any socket: then the kernel is asked, at each receive that got less than it wanted.
#pragma once

#include <cstddef>

#include "io/park_rules.hpp"
#include "sys/atomic.hpp"

struct iovec;

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

// Goes on with a receive into `parts` that has `done` bytes, until it has `least`, or ends early as the kernel's would: the bytes that
// it has then (recv_message.cpp). Ancillary data ends it: the kernel does not merge across it either.
long receive_rest(hub& h, park_rules& rules, int fd, const iovec* parts, std::size_t count, int flags, std::size_t least,
                  std::size_t done) noexcept;

}  // namespace weft::io
