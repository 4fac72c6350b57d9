// recv and recvfrom: the path that decides how fast a server is.
#include <cerrno>

#include "io/iov.hpp"
#include "io/ops.hpp"
#include "io/plain_tcp.hpp"
#include "io/until_ready.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

long recv_now(int fd, void* to, std::size_t n, int flags, void* from, void* from_size) noexcept {
  return sys::raw(SYS_recvfrom, fd, to, n, flags | MSG_DONTWAIT, from, from_size);
}

// These never wait, whatever the descriptor's mode: tcp_recv_urg and the error queue answer at once.
constexpr int never_waits = MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE;

// Without flags on a plain TCP stream. One recv a message: a short read empties the socket, so the next call parks without trying
// until something is reported. What was reported once and not looked at (FIN, urgent data) forbids that (`past_plain`).
long recv_plain(hub& h, caller who, int fd, core::fd_entry& e, void* to, std::size_t n) noexcept {
  park_rules rules(h, who, fd, side::receive);
  bool try_first = !e.drained;
  for (;;) {
    if (try_first) {
      const std::uint32_t sequence = e.sequence;
      const long got = sys::raw(SYS_recvfrom, fd, to, n, MSG_DONTWAIT, nullptr, nullptr);
      if (got > 0) [[likely]] {
        if (static_cast<std::size_t>(got) < n && !e.past_plain && e.sequence == sequence) e.drained = true;
        return got;
      }
      if (got != -EAGAIN) {
        // The number means something else by now: it was closed where nobody saw it.
        if (got == -ENOTSOCK || got == -EBADF) e.kind = core::fd_kind::unknown;
        return got;
      }
    }
    if (const long refused = rules.before_park(); refused != 0) [[unlikely]] {
      if (try_first) return refused;
      try_first = true;  // O_NONBLOCK: no answer without having asked the kernel, or a loop of such calls would see nothing
      continue;
    }
    const long waited = wait_fd(h, fd, e, poller::in, rules.deadline(), "recv");
    if (waited != 0) [[unlikely]]
      return waited == timed_out ? -EAGAIN : rules.ended(waited);
    try_first = true;
  }
}

// MSG_WAITALL: all `n` bytes of a stream, unless its end, an error or a timeout comes first.
long recv_all(hub& h, park_rules& rules, int fd, void* to, std::size_t n, int flags, std::size_t done) noexcept {
  while (done < n) {
    const long got = until_ready(
        h, rules, fd, poller::in, "recv",
        [&] {
          return ends_after_a_part(fd)
                     ? 0
                     : recv_now(fd, static_cast<char*>(to) + done, n - done, flags & ~MSG_WAITALL, nullptr, nullptr);
        },
        [] { return long{-EAGAIN}; });
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<long>(done);
}

// MSG_PEEK | MSG_WAITALL: nothing is taken, so more data is not an edge that both pollers tell apart; looks again after a while.
long peek_all(hub& h, park_rules& rules, int fd, void* to, std::size_t n, int flags, long got) noexcept {
  growing_nap pause;
  while (got > 0 && static_cast<std::size_t>(got) < n) {
    if (ready_now(fd, POLLIN | POLLRDHUP) & (POLLRDHUP | POLLERR | POLLHUP)) break;
    if (rules.before_park() != 0 || nap(h, pause.next(), rules.deadline(), "recv") != 0) break;
    const long again = recv_now(fd, to, n, flags & ~MSG_WAITALL, nullptr, nullptr);
    if (again <= 0) break;
    got = again;
  }
  return got;
}

bool waits_for_all(int fd, int flags, std::size_t n, long got) noexcept {
  return (flags & MSG_WAITALL) != 0 && got > 0 && static_cast<std::size_t>(got) < n && is_stream(fd);
}

}  // namespace

long recv(hub& h, caller who, int fd, void* to, std::size_t n, int flags) noexcept {
  if (flags == 0) [[likely]] {
    core::fd_entry* e = h.fds.get(fd);
    if (e != nullptr && plain_tcp(fd, *e)) [[likely]]
      return recv_plain(h, who, fd, *e, to, n);
  }
  return recvfrom(h, who, fd, to, n, flags, nullptr, nullptr);
}

long recvfrom(hub& h, caller who, int fd, void* to, std::size_t n, int flags, void* from, void* from_size) noexcept {
  const auto attempt = [&] { return recv_now(fd, to, n, flags, from, from_size); };
  if (flags & never_waits) return sys::raw(SYS_recvfrom, fd, to, n, flags, from, from_size);
  park_rules rules(h, who, fd, side::receive);
  const long got = until_ready(h, rules, fd, poller::in, "recv", attempt, attempt);
  if (!waits_for_all(fd, flags, n, got)) return got;
  if (flags & MSG_PEEK) return peek_all(h, rules, fd, to, n, flags, got);
  return recv_all(h, rules, fd, to, n, flags, static_cast<std::size_t>(got));
}

}  // namespace weft::io
