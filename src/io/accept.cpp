// accept and accept4. There is no MSG_DONTWAIT for it: poll(2) is asked first. Another process that accepts from the same listening
// socket (prefork) may be faster then, so on a blocking one the call itself is made by io_uring, or by a thread.
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>

#include "io/descriptors.hpp"
#include "io/offload.hpp"
#include "io/ops.hpp"
#include "io/plain_tcp.hpp"
#include "io/until_ready.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

bool listens(int fd) noexcept {
  int yes = 0;
  socklen_t size = sizeof yes;
  return sys::raw(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes != 0;
}

// With connections coming without end an acceptor would never park: now and then it lets those run that it has started.
void let_others_run(hub& h) noexcept {
  if ((++h.ticks & 15) != 0) return;
  core::with_vectors_saved(h, detail::current_fiber(), [](hub& hub, detail::fiber_base*) noexcept { core::turn(hub, 0); });
  if (h.ready_first != nullptr) detail::yield(h);
}

bool may_block(int fd) noexcept {
  const long flags = sys::raw(SYS_fcntl, fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

// A connection was there a moment ago. -EAGAIN only when none is: while one is there, nobody will report it again.
long accept_now(hub& h, int fd, const offload_call& call) noexcept {
  // The ring takes it at once if it is still there, or when one of its own threads comes to it; a thread has to be waited for.
  constexpr nanos patience = 1'000'000;
  nanos wait = 0;
  for (;; wait += patience) {
    const long got = offload(h, call, ring_takes(h, call) ? detail::now(h) + wait : never, "accept", offload_kind::waits);
    if (got != timed_out) return got;
    const long ready = ready_now(fd, POLLIN);
    if (ready <= 0) return ready < 0 ? ready : -EAGAIN;
  }
}

}  // namespace

long accept4(hub& h, caller who, int fd, void* address, void* size, int flags) noexcept {
  const auto as_it_is = [&] { return sys::raw(SYS_accept4, fd, address, size, flags); };
  // The kernel refuses flags that it does not know before it waits.
  if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return as_it_is();
  const auto attempt = [&]() noexcept -> long {
    const long ready = ready_now(fd, POLLIN);
    if (ready < 0) return ready;
    // On what is no listener the call fails at once, and poll(2) may never call it ready.
    if (ready == 0) return listens(fd) ? -EAGAIN : as_it_is();
    return may_block(fd) ? accept_now(h, fd, call_of(SYS_accept4, fd, address, size, flags)) : as_it_is();
  };
  park_rules rules(h, who, fd, side::receive);
  const long got = until_ready(h, rules, fd, poller::in, "accept", attempt, as_it_is);
  if (got < 0) return got;
  let_others_run(h);
  core::fd_entry* listener = h.fds.get(fd);
  core::fd_entry* fresh = note_new(h, static_cast<int>(got));
  // A connection is of the kind of its listener, which was asked once.
  if (listener != nullptr && fresh != nullptr && plain_tcp(fd, *listener)) fresh->kind = core::fd_kind::tcp;
  return got;
}

}  // namespace weft::io
