#include "io/signal_waits.hpp"

#include <cerrno>
#include <poll.h>

#include "core/hub.hpp"
#include "io/durations.hpp"
#include "io/mask_watch.hpp"
#include "io/ops.hpp"
#include "io/user_memory.hpp"
#include "io/wait_fd.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// A signal may come from outside at any time: while a fiber waits for one, nothing is stuck.
class expecting {
public:
  explicit expecting(hub& h) noexcept : h_(h) { ++h_.fd_waiters; }
  ~expecting() { --h_.fd_waiters; }
  expecting(const expecting&) = delete;
  expecting& operator=(const expecting&) = delete;

private:
  hub& h_;
};

// Until a signal of the set may be there, or the deadline (`timed_out`).
long wait_pending(hub& h, int fd, nanos deadline, growing_nap& pause) noexcept {
  core::fd_entry* e = fd < 0 ? nullptr : h.fds.get(fd);
  if (e == nullptr) return nap(h, pause.next(), deadline, "sigtimedwait");
  return wait_fd(h, fd, *e, poller::in, deadline, "sigtimedwait");
}

}  // namespace

long pause(hub& h) noexcept {
  const expecting something(h);
  detail::waiter w("pause");
  return never_again(ended_by(detail::park(h, w)));
}

long sigsuspend(hub& h, const void* mask, std::size_t size) noexcept {
  if (mask == nullptr && size == 8) return -EFAULT;  // to ppoll(2) it would mean "no mask"
  const expecting something(h);
  return ppoll(h, nullptr, 0, nullptr, mask, size);
}

long sigtimedwait(hub& h, const void* set, void* info, const timespec* limit, std::size_t size) noexcept {
  const timespec none{};
  if (size != 8) return sys::raw(SYS_rt_sigtimedwait, set, info, &none, size);
  if (!readable(set, 8)) return -EFAULT;
  nanos length;
  if (const long error = take_limit(limit, length); error != 0) return error;
  const auto take = [&] { return sys::raw(SYS_rt_sigtimedwait, set, info, &none, size); };
  long got = take();
  if (got != -EAGAIN || length == 0) return got;
  const expecting something(h);
  const nanos deadline = deadline_in(h, length);
  const int fd = open_signalfd(set);
  growing_nap pause;
  for (;;) {
    const long waited = wait_pending(h, fd, deadline, pause);
    got = take();
    if (got != -EAGAIN) break;
    if (waited == timed_out) break;
    if (waited != 0) {
      got = never_again(waited);
      break;
    }
  }
  close_signalfd(h, fd);
  return got;
}

}  // namespace weft::io
