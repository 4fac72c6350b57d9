#include "io/wait_fd.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "sys/syscall.hpp"

namespace weft::io {

void wake_target(detail::wait_node* self) noexcept { detail::unpark(*static_cast<core::fd_node*>(self)->target); }

long prepare_wait(hub& h, int fd, core::fd_entry& e, std::uint32_t events, nanos deadline, std::uint32_t version) noexcept {
  if ((events & ~e.reg.watched) != 0) {
    if (e.reg.watched == 0) e.version = version;
    if (const int refused = h.poll->watch(fd, events, e.reg); refused != 0) [[unlikely]]
      return refused;
  }
  if (!h.block->current->in_task) return 0;
  // A coroutine waits by itself, for this.
  h.tasks.refused = {core::refused_wait::descriptor, false, version, events, &e, deadline};
  return ended_by(wake::impossible);
}

long wait_fd(hub& h, int fd, core::fd_entry& e, std::uint32_t events, nanos deadline, const char* reason) noexcept {
  return wait_fd_here(h, fd, e, events, deadline, reason);
}

long nap(hub& h, nanos ns, nanos deadline, const char* reason) noexcept {
  const nanos until = detail::now(h) + ns;
  detail::waiter w(reason);
  const wake why = detail::park(h, w, until < deadline ? until : deadline);
  if (why == wake::impossible) h.tasks.refused = {core::refused_wait::pause, false, 0, 0, nullptr, until < deadline ? until : deadline};
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
