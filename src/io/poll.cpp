// poll and ppoll. What they answer is always the kernel's: a call without waiting comes first and last, the fiber parks between.
#include <cerrno>
#include <poll.h>

#include "io/durations.hpp"
#include "io/mask_watch.hpp"
#include "io/ops.hpp"
#include "io/poll_set.hpp"
#include "io/user_memory.hpp"
#include "io/wait_fd.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// `look` is the call without waiting; it has just said that nothing is ready.
template <class Look>
long poll_parked(hub& h, const pollfd* fds, unsigned long count, nanos deadline, int extra, const char* reason, Look look) noexcept {
  poll_set set(h);
  if (!set.reserve(count + 1)) return -ENOMEM;
  growing_nap pause;
  for (;;) {
    set.clear();
    for (unsigned long i = 0; i < count; ++i)
      if (fds[i].fd >= 0) set.add(fds[i].fd, fds[i].events);
    if (extra >= 0) set.add(extra, POLLIN);
    const long waited = set.park(deadline, reason);
    if (waited != 0 && waited != timed_out) return never_again(waited);
    long found = look();
    if (found != 0 || waited == timed_out) return found;
    if (!set.vague()) continue;
    const long slept = nap(h, pause.next(), deadline, reason);
    if (slept != 0 && slept != timed_out) return never_again(slept);
    // What was reported during the nap found nobody waiting.
    if ((found = look()) != 0) return found;
  }
}

}  // namespace

long poll(hub& h, pollfd* fds, unsigned long count, nanos limit) noexcept {
  const auto look = [&] { return sys::raw(SYS_poll, fds, count, 0); };
  const long found = look();
  if (found != 0 || limit == 0) return found;
  return poll_parked(h, fds, count, deadline_in(h, limit), -1, "poll", look);
}

long ppoll(hub& h, pollfd* fds, unsigned long count, timespec* limit, const void* mask, std::size_t mask_size) noexcept {
  nanos length;
  if (const long error = take_limit(limit, length); error != 0) return error;
  const auto look = [&] {
    timespec none{};
    return sys::raw(SYS_ppoll, fds, count, &none, mask, mask_size);
  };
  const nanos deadline = deadline_in(h, length);
  long found = look();
  if (found == 0 && length != 0) {
    const mask_watch signals(h, mask);
    found = poll_parked(h, fds, count, deadline, signals.fd(), "ppoll", look);
  }
  if (limit != nullptr && (!is_ended(found) || found == signalled_for_good)) give_left(h, deadline, limit);
  return found;
}

long wait_ready(hub& h, int fd, short events, nanos deadline, const char* reason) noexcept {
  for (;;) {
    const long ready = ready_now(fd, events);
    if (ready < 0) return ready;
    if (ready & POLLNVAL) return -EBADF;
    if (ready != 0) return 1;
    core::fd_entry* e = h.fds.get(fd);
    if (e == nullptr) return -ENOMEM;
    const long waited = wait_fd(h, fd, *e, (events & POLLIN ? poller::in : 0) | (events & POLLOUT ? poller::out : 0), deadline, reason);
    if (waited != 0) return waited == timed_out ? 0 : waited;
  }
}

}  // namespace weft::io
