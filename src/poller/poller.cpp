#include "poller/poller.hpp"

#include <cerrno>
#include <fcntl.h>
#include <new>
#include <sys/eventfd.h>

#include "poller/epoll_poller.hpp"
#include "poller/select_poller.hpp"
#include "sys/features.hpp"
#include "sys/own_descriptors.hpp"
#include "sys/syscall.hpp"

namespace weft::poller {

int number_elsewhere(int fd) noexcept {
  // As high as the limit lets it, without raising the kernel's table beyond what it has anyway.
  static constexpr int places[] = {1000, 200, 60};
  long up = -1;
  for (const int from : places) {
    up = sys::raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, from);
    if (up >= 0) break;
  }
  sys::note_own_descriptor(static_cast<int>(up));
  return static_cast<int>(up);
}

void close_own(int fd) noexcept {
  sys::forget_own_descriptor(fd);
  sys::raw(SYS_close, fd);
}

int move_up(int fd) noexcept {
  const int up = number_elsewhere(fd);
  if (up < 0) {
    sys::note_own_descriptor(fd);
    return fd;
  }
  sys::raw(SYS_close, fd);
  return up;
}

void poller::wake() noexcept {
  const std::uint64_t one = 1;
  sys::raw(SYS_write, __atomic_load_n(&wake_fd_, __ATOMIC_RELAXED), &one, sizeof one);
}

int poller::open_wake() noexcept {
  const long fd = sys::raw(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return static_cast<int>(fd);
  wake_fd_ = move_up(static_cast<int>(fd));
  return 0;
}

void poller::drain_wake() noexcept {
  std::uint64_t count;
  sys::raw(SYS_read, wake_fd_, &count, sizeof count);
}

std::size_t storage_bytes() noexcept {
  return sizeof(epoll_poller) > sizeof(select_poller) ? sizeof(epoll_poller) : sizeof(select_poller);
}

poller* open(void* storage, std::size_t, long& error) noexcept {
  const char* wanted = sys::env("WEFT_POLLER");
  const bool select = wanted != nullptr && wanted[0] == 's';
  poller* p = select ? static_cast<poller*>(new (storage) select_poller) : new (storage) epoll_poller;
  error = p->reopen();
  if (error == 0) return p;
  p->shut();  // what it had opened before the one that failed
  if (!select && (error == -EPERM || error == -ENOSYS || error == -EACCES)) {
    // A sandbox without epoll.
    p = new (storage) select_poller;
    error = p->reopen();
    if (error == 0) return p;
    p->shut();
  }
  return nullptr;
}

}  // namespace weft::poller
