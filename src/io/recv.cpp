// recv and recvfrom: the path that decides how fast a server is.
#include <cerrno>
#include <sys/socket.h>

#include "io/iov.hpp"
#include "io/low_water.hpp"
#include "io/ops.hpp"
#include "io/plain_recv.hpp"
#include "io/plain_tcp.hpp"
#include "io/receive.hpp"
#include "io/until_ready.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

long recv_now(int fd, void* to, std::size_t n, int flags, void* from, void* from_size) noexcept {
  return sys::raw(SYS_recvfrom, fd, to, n, flags | MSG_DONTWAIT, from, from_size);
}

// `Who` at compile time: for calls of the face there are no rules to ask.
template <caller Who>
[[gnu::noinline]] long recv_plain(hub& h, int fd, core::fd_entry& e, void* to, std::size_t n) noexcept {
  park_rules rules(h, Who, fd, side::receive);
  bool try_first = !e.drained;
  for (;;) {
    if (try_first) {
      const long got = try_plain(fd, e, to, n);
      if (got != -EAGAIN) [[likely]]
        return got;
    }
    if constexpr (Who == caller::door)
      if (const long refused = rules.before_park(); refused != 0) [[unlikely]] {
        if (try_first) return refused;
        try_first = true;  // O_NONBLOCK: no answer without having asked the kernel, or a loop of such calls would see nothing
        continue;
      }
    const nanos deadline = Who == caller::door ? rules.deadline() : never;
    const long waited = wait_fd_here(h, fd, e, poller::in, deadline, "recv");
    if (waited != 0) [[unlikely]]
      return waited == timed_out ? -EAGAIN : rules.ended(waited);
    try_first = true;
  }
}

// What receive_rest is with MSG_PEEK: nothing is taken, so more data is not an edge that both pollers tell apart; looks again after a
// while.
long peek_rest(hub& h, park_rules& rules, int fd, void* to, std::size_t n, std::size_t least, int flags, long got) noexcept {
  growing_nap pause;
  while (got > 0 && static_cast<std::size_t>(got) < least) {
    if (ready_now(fd, POLLIN | POLLRDHUP) & (POLLRDHUP | POLLERR | POLLHUP)) break;
    if (rules.before_park() != 0 || nap(h, pause.next(), rules.deadline(), "recv") != 0) break;
    const long again = recv_now(fd, to, n, flags & ~MSG_WAITALL, nullptr, nullptr);
    if (again <= 0) break;
    got = again;
  }
  return got;
}

// unix_stream_read_generic (net/unix/af_unix.c) looks at what is there, and does not wait for more.
bool is_local(int fd) noexcept {
  int domain = 0;
  socklen_t size = sizeof domain;
  return sys::raw(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

// How many bytes a receive waits for that got `got` of `n`: as many as it got when it is over.
std::size_t awaited_bytes(int fd, int flags, std::size_t n, std::size_t got) noexcept {
  if (got >= n) return got;
  if ((flags & MSG_WAITALL) != 0) return is_stream(fd) ? n : got;
  return least_bytes(fd, n);
}

}  // namespace

long recv(hub& h, caller who, int fd, void* to, std::size_t n, int flags) noexcept {
  if (flags == 0) [[likely]] {
    core::fd_entry* e = h.fds.get(fd);
    if (e != nullptr && plain_tcp(fd, *e)) [[likely]]
      return who == caller::face ? recv_plain<caller::face>(h, fd, *e, to, n) : recv_plain<caller::door>(h, fd, *e, to, n);
  }
  return recvfrom(h, who, fd, to, n, flags, nullptr, nullptr);
}

long recvfrom(hub& h, caller who, int fd, void* to, std::size_t n, int flags, void* from, void* from_size) noexcept {
  const auto attempt = [&] { return recv_now(fd, to, n, flags, from, from_size); };
  if (flags & never_waiting_flags) return sys::raw(SYS_recvfrom, fd, to, n, flags, from, from_size);
  park_rules rules(h, who, fd, side::receive);
  const long got = until_ready(h, rules, fd, poller::in, "recv", attempt, attempt);
  if (got <= 0) return got;
  const auto done = static_cast<std::size_t>(got);
  const std::size_t least = awaited_bytes(fd, flags, n, done);
  if (done >= least) return got;
  if (flags & MSG_PEEK) return is_local(fd) ? got : peek_rest(h, rules, fd, to, n, least, flags, got);
  const iovec whole{to, n};
  return receive_rest(h, rules, fd, "recv", &whole, 1, flags, least, done);
}

}  // namespace weft::io
