#include "io/wait_fd.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/trace.hpp"
#include "io/watchers.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

long wait_fd(hub& h, int fd, core::fd_entry& e, std::uint32_t events, nanos deadline, const char* reason) noexcept {
  const std::uint32_t version = watch_closing(h, fd);
  // A poller that registers once notes so in `watched`: nothing to tell it, and no call.
  if ((events & ~e.reg.watched) != 0) {
    if (e.reg.watched == 0) e.version = version;
    if (const int refused = h.poll->watch(fd, events, e.reg); refused != 0) [[unlikely]]
      return refused;
  }
  if (h.block->current->in_task) [[unlikely]] {
    // A coroutine waits by itself, for this.
    h.tasks.refused = {core::refused_wait::descriptor, version, events, &e, deadline};
    return ended_by(wake::impossible);
  }
  detail::waiter w(reason);
  core::fd_node node(w, events);
  node.version = version;
  e.waiters.push_back(node);
  ++h.fd_waiters;
  core::trace::about(h, core::trace::about_descriptor, static_cast<std::uint64_t>(fd));
  const wake why = detail::park(h, w, deadline);
  if (why == wake::ready) [[likely]]
    return node.closed ? -EBADF : 0;
  if (node.linked()) {
    node.unlink();
    --h.fd_waiters;
  }
  return ended_by(why);
}

long nap(hub& h, nanos ns, nanos deadline, const char* reason) noexcept {
  const nanos until = detail::now(h) + ns;
  detail::waiter w(reason);
  const wake why = detail::park(h, w, until < deadline ? until : deadline);
  if (why == wake::impossible) h.tasks.refused = {core::refused_wait::pause, 0, 0, nullptr, until < deadline ? until : deadline};
  if (why != wake::timeout) return ended_by(why);
  return until < deadline ? 0 : timed_out;
}

long ready_now(int fd, short events) noexcept {
  if (fd < 0) return POLLNVAL;  // which poll(2) passes over
  pollfd one{fd, events, 0};
  const long n = sys::raw(SYS_poll, &one, 1, 0);
  return n <= 0 ? n : one.revents;
}

bool ends_after_a_part(int fd) noexcept {
  const long seen = ready_now(fd, POLLIN | POLLPRI);
  int at_mark = 0;
  return (seen & POLLERR) != 0 || ((seen & POLLPRI) != 0 && sys::raw(SYS_ioctl, fd, SIOCATMARK, &at_mark) == 0 && at_mark != 0);
}

bool opened_for(int fd, int mode) noexcept {
  const long flags = sys::raw(SYS_fcntl, fd, F_GETFL);
  return flags >= 0 && ((flags & O_ACCMODE) == mode || (flags & O_ACCMODE) == O_RDWR);
}

}  // namespace weft::io
