// Receiving from a plain TCP stream without flags. One recv a message: a short read empties the socket, so the next call waits without
// trying until something is reported. What was reported once and not looked at (FIN, urgent data) forbids that (`past_plain`).
#pragma once

#include <cerrno>
#include <cstddef>
#include <sys/socket.h>

#include "core/hub.hpp"
#include "io/watchers.hpp"
#include "poller/poller.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

// One try; -EAGAIN when nothing is there.
[[gnu::always_inline]] inline long try_plain(int fd, core::fd_entry& e, void* to, std::size_t n) noexcept {
  const std::uint32_t sequence = e.sequence;
  const long got = sys::raw(SYS_recvfrom, fd, to, n, MSG_DONTWAIT, nullptr, nullptr);
  if (got > 0) [[likely]] {
    if (static_cast<std::size_t>(got) < n && !e.past_plain && e.sequence == sequence) e.drained = true;
  } else if (got == -ENOTSOCK || got == -EBADF) {
    e.kind = core::fd_kind::unknown;  // the number means something else by now: it was closed where nobody saw it
  }
  return got;
}

// For coroutines, of a stream that the poller watches. False when there is nothing to receive, and what is to be waited for stands in
// hub::tasks.refused; else what the try gave is in `got`.
[[gnu::always_inline]] inline bool received_plain(hub& h, int fd, core::fd_entry& e, void* to, std::size_t n, long& got) noexcept {
  if (!e.drained && (got = try_plain(fd, e, to, n)) != -EAGAIN) return true;
  h.tasks.refused = {core::refused_wait::descriptor, true, watch_closing(h, fd), poller::in, &e, never};
  return false;
}

}  // namespace weft::io
