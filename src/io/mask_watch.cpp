#include "io/mask_watch.hpp"

#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <sys/signalfd.h>

#include "poller/poller.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

mask_watch::mask_watch(const void* mask) noexcept {
  if (mask == nullptr) return;
  std::uint64_t blocked = 0;
  sys::raw(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &blocked, 8);
  const std::uint64_t let_through = blocked & ~*static_cast<const std::uint64_t*>(mask);
  if (let_through == 0) return;
  const long fd = sys::raw(SYS_signalfd4, -1, &let_through, 8, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd >= 0) fd_ = poller::move_up(static_cast<int>(fd));
}

mask_watch::~mask_watch() {
  if (fd_ >= 0) sys::raw(SYS_close, fd_);
}

}  // namespace weft::io
