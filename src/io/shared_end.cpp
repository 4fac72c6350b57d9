#include "io/shared_end.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "io/fd_facts.hpp"

namespace weft::io {
namespace {

bool in_background(int fd) noexcept {
  int front = 0;
  return sys::raw(SYS_ioctl, fd, TIOCGPGRP, &front) == 0 && front != sys::raw(SYS_getpgid, 0);
}

}  // namespace

bool shared_and_blocking(int fd, long kind) noexcept {
  const bool terminal = kind == static_cast<long>(facts::kind::terminal);
  if (!terminal && kind != static_cast<long>(facts::kind::pipe)) return false;
  const long flags = sys::raw(SYS_fcntl, fd, F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) == 0 && !(terminal && in_background(fd));
}

}  // namespace weft::io
