#include "io/epoll.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include "core/hub.hpp"
#include "io/durations.hpp"
#include "io/mask_watch.hpp"
#include "io/poll_set.hpp"
#include "io/wait_fd.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// Signals that only the mask lets through, and that are pending, get their handlers: true.
bool interrupted_by(const void* mask, std::size_t mask_size) noexcept {
  timespec none{};
  return sys::raw(SYS_ppoll, nullptr, 0, &none, mask, mask_size) == -EINTR;
}

// Parks until the set, or a signal of the mask, may have something. 0: look.
long wait_for_events(hub& h, int set, core::fd_entry& e, int signals, nanos deadline) noexcept {
  if (signals < 0) return wait_fd(h, set, e, poller::in, deadline, "epoll_wait");
  poll_set both(h);
  both.reserve(2);
  both.add(set, POLLIN);
  both.add(signals, POLLIN);
  return both.park(deadline, "epoll_wait");
}

bool is_epoll(int fd) noexcept {
  constexpr char prefix[] = "/proc/self/fd/", kind[] = "anon_inode:[eventpoll]";
  char path[sizeof prefix + 12];
  std::size_t at = 0;
  for (; prefix[at] != 0; ++at) path[at] = prefix[at];
  char digits[12];
  int n = 0;
  do digits[n++] = static_cast<char>('0' + fd % 10);
  while ((fd /= 10) > 0);
  while (n > 0) path[at++] = digits[--n];
  path[at] = 0;
  char name[sizeof kind];
  if (sys::raw(SYS_readlinkat, AT_FDCWD, &path[0], &name[0], sizeof name) != sizeof kind - 1) return false;
  for (std::size_t i = 0; i < sizeof kind - 1; ++i)
    if (name[i] != kind[i]) return false;
  return true;
}

// Takes the program's sets out of the hub's poller. Those who wait for one look again, and come back to it.
bool let_go_of_sets(hub& h) noexcept {
  bool any = false;
  h.fds.each([&](int fd, core::fd_entry& e) {
    if (e.reg.watched == 0 || h.poll->owns(fd) || !is_epoll(fd)) return;
    h.poll->forget(fd, e.reg);
    core::fd_report(h, fd, e, poller::in);
    any = true;
  });
  return any;
}

}  // namespace

long epoll_wait(hub& h, int set, epoll_event* events, int most, nanos limit, const void* mask, std::size_t mask_size) noexcept {
  const auto look = [&] { return sys::raw(SYS_epoll_pwait, set, events, most, 0, mask, mask_size); };
  long found = look();
  if (found != 0 || limit == 0) return found;
  core::fd_entry* e = h.fds.get(set);
  if (e == nullptr) return -ENOMEM;
  const nanos deadline = deadline_in(h, limit);
  const mask_watch signals(h, mask);
  growing_nap pause;
  for (;;) {
    const std::uint32_t sequence = e->sequence;
    if ((found = look()) != 0) return found;
    if (mask != nullptr && interrupted_by(mask, mask_size)) return -EINTR;
    if (e->sequence != sequence) continue;
    long waited = wait_for_events(h, set, *e, signals.fd(), deadline);
    // Nested as deep as can be, or more paths to one file than the kernel allows.
    if (waited == -ELOOP || waited == -EINVAL) waited = nap(h, pause.next(), deadline, "epoll_wait");
    if (waited == timed_out) return look();
    if (waited != 0) return never_again(waited);
  }
}

long epoll_ctl(hub& h, int set, int operation, int fd, void* event) noexcept {
  const auto call = [&] { return sys::raw(SYS_epoll_ctl, set, operation, fd, event); };
  const long got = call();
  return (got == -ELOOP || got == -EINVAL) && operation == EPOLL_CTL_ADD && let_go_of_sets(h) ? call() : got;
}

}  // namespace weft::io
