// connect. O_NONBLOCK is set around the one system call that starts it and taken back before anything parks: there is no flag
// for a single call, and the flag belongs to the open file, which other processes may share.
#include <cerrno>
#include <fcntl.h>

#include "io/descriptors.hpp"
#include "io/ops.hpp"
#include "io/wait_fd.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// Starts it. The descriptor's flags are as before when this returns.
long start(int fd, const void* address, unsigned size, long flags) noexcept {
  if (flags & O_NONBLOCK) return sys::raw(SYS_connect, fd, address, size);
  sys::raw(SYS_fcntl, fd, F_SETFL, flags | O_NONBLOCK);
  const long got = sys::raw(SYS_connect, fd, address, size);
  sys::raw(SYS_fcntl, fd, F_SETFL, flags);
  return got;
}

// A full queue of a local server: the kernel tells nobody when there is room.
long retry_local(hub& h, park_rules& rules, int fd, const void* address, unsigned size, long flags) noexcept {
  growing_nap pause;
  for (;;) {
    const long slept = nap(h, pause.next(), rules.deadline(), "connect");
    if (slept != 0) return slept == timed_out ? -EAGAIN : rules.ended(slept);
    const long got = start(fd, address, size, flags);
    if (got != -EAGAIN) return got;
  }
}

}  // namespace

long connect(hub& h, caller who, int fd, const void* address, unsigned size) noexcept {
  const long flags = sys::raw(SYS_fcntl, fd, F_GETFL);
  if (flags < 0) return flags;
  if (who == caller::door && (flags & O_NONBLOCK) != 0) return sys::raw(SYS_connect, fd, address, size);
  core::fd_entry* e = h.fds.get(fd);
  if (e == nullptr) return sys::raw(SYS_connect, fd, address, size);
  // The number's life as a connection begins here; whatever was noted belongs to a socket that was closed out of sight.
  if (e->waiters.empty() && e->reg.watched != 0) note_new(h, fd);
  park_rules rules(h, who, fd, side::send);
  long got = start(fd, address, size, flags);
  if (got == -EAGAIN) {
    if (const long refused = rules.before_park(); refused != 0) return refused;
    return retry_local(h, rules, fd, address, size, flags);
  }
  // EALREADY: a connection begun earlier is under way; a blocking connect waits for it.
  if (got != -EINPROGRESS && got != -EALREADY) return got;
  if (const long refused = rules.before_park(); refused != 0) return refused;
  for (;;) {
    const long ready = ready_now(fd, POLLOUT);
    if (ready < 0) return ready;
    if (ready & POLLNVAL) return -EBADF;
    if (ready != 0) break;
    const long waited = wait_fd(h, fd, *e, poller::out, rules.deadline(), "connect");
    if (waited != 0) return waited == timed_out ? got : rules.ended(waited);
  }
  // Asking again gives the outcome and leaves the socket as a blocking connect leaves it, which SO_ERROR would not.
  got = start(fd, address, size, flags);
  return got == -EISCONN ? 0 : got;
}

}  // namespace weft::io
