#include "io/mask_watch.hpp"

#include <csignal>
#include <cstdint>
#include <sys/signalfd.h>

#include "io/descriptors.hpp"
#include "poller/poller.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

int open_signalfd(const void* set) noexcept {
  const long fd = sys::raw(SYS_signalfd4, -1, set, 8, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd < 0 ? -1 : poller::move_up(static_cast<int>(fd));
}

void close_signalfd(hub& h, int fd) noexcept {
  if (fd < 0) return;
  // The next one will have the same number: nothing of this one may be left in the poller's registrations.
  forget_everywhere(h, fd);
  poller::close_own(fd);
}

mask_watch::mask_watch(hub& h, const void* mask) noexcept : h_(h) {
  if (mask == nullptr) return;
  std::uint64_t blocked = 0;
  sys::raw(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &blocked, 8);
  const std::uint64_t let_through = blocked & ~*static_cast<const std::uint64_t*>(mask);
  if (let_through != 0) fd_ = open_signalfd(&let_through);
}

mask_watch::~mask_watch() { close_signalfd(h_, fd_); }

}  // namespace weft::io
