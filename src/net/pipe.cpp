#include "net/pipe.hpp"

#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>

#include "sys/syscall.hpp"
#include "weft/io.hpp"

namespace weft::net {
namespace {

// What a pipe that poll(2) calls writable takes without waiting: a page.
constexpr std::size_t surely = 4096;

// SIGPIPE is blocked for the one call, and taken back when the call raised it and none was pending before.
long write_quietly(int fd, const void* data, std::size_t size) {
  sigset_t pipe_only, before, pending;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
  const long sent = sys::raw(SYS_write, fd, data, size);
  if (sent == -EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec none{};
    sys::raw(SYS_rt_sigtimedwait, &pipe_only, nullptr, &none, 8);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return sent;
}

}  // namespace

long write_at_once(int fd, const void* data, std::size_t size) {
  const long flags = sys::raw(SYS_fcntl, fd, F_GETFL);
  const bool whole = flags >= 0 && (flags & O_NONBLOCK) != 0;
  return write_quietly(fd, data, whole || size < surely ? size : surely);
}

ssize_t write_some(int fd, const void* data, std::size_t size) {
  for (;;) {
    weft::wait_writable(fd);
    const long sent = write_at_once(fd, data, size);
    if (sent >= 0) return sent;
    if (sent == -EAGAIN) continue;
    errno = static_cast<int>(-sent);
    return -1;
  }
}

}  // namespace weft::net
