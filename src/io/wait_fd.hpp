// How every op waits for a descriptor: link into its entry, have the poller watch it, park.
//
// The order that loses nothing: take the entry's sequence; try; when the try would block and the sequence is still the same, watch
// and park. The poller reports what is ready at the moment of the first watch, and every edge after it.
#pragma once

#include <cerrno>

#include "core/hub.hpp"
#include "core/trace.hpp"
#include "io/ended.hpp"
#include "io/watchers.hpp"
#include "poller/poller.hpp"
#include "weft/detail/switch_call.hpp"

namespace weft::io {

// Parks until one of `events` (or an error or hang-up) is reported for `fd`. 0: try again. -EBADF: the descriptor was closed
// meanwhile. -EPERM: it knows no readiness, call the kernel as it is. Other -errno as epoll_ctl(2). Else an ended code: timeout,
// cancellation.
long wait_fd(hub& h, int fd, core::fd_entry& e, std::uint32_t events, nanos deadline, const char* reason) noexcept;
// The same inline, for the calls that decide how fast a server is. The caller must contain a call of a function (switch_call.hpp).
[[gnu::always_inline]] inline long wait_fd_here(hub& h, int fd, core::fd_entry& e, std::uint32_t events, nanos deadline,
                                                const char* reason) noexcept;

// Parks for `ns`, not beyond `deadline`: for the few states of a descriptor that the kernel announces to nobody. 0 when slept.
long nap(hub& h, nanos ns, nanos deadline, const char* reason) noexcept;

// What poll(2) says of `fd` right now; never waits. 0: nothing of `events`; else revents; -errno.
long ready_now(int fd, short events) noexcept;

// Whether a receive that has a part of its bytes must end with them: an error is there, which a try would consume, or the urgent mark,
// across which no receive reads on. Both are for the next call to see.
bool ends_after_a_part(int fd) noexcept;

// Whether `fd` was opened for `mode` (O_RDONLY or O_WRONLY), alone or among others.
bool opened_for(int fd, int mode) noexcept;

// Pauses that grow from 250 us to 16 ms.
class growing_nap {
public:
  nanos next() noexcept {
    const nanos now = pause_;
    if (pause_ < 16'000'000) pause_ *= 2;
    return now;
  }

private:
  nanos pause_ = 250'000;
};

// fd_node::notify of a wait that is a fiber's own.
void wake_target(detail::wait_node* self) noexcept;
// What wait_fd does where the poller does not watch for `events` yet, or a coroutine waits. 0: nothing, park.
long prepare_wait(hub& h, int fd, core::fd_entry& e, std::uint32_t events, nanos deadline, std::uint32_t version) noexcept;

long wait_fd_here(hub& h, int fd, core::fd_entry& e, std::uint32_t events, nanos deadline, const char* reason) noexcept {
  const std::uint32_t version = watch_closing(h, fd);
  detail::fiber_base* self = detail::current_fiber();
  // A poller that registers once notes so in `watched`: nothing to tell it, and no call.
  if ((events & ~e.reg.watched) != 0 || self->in_task) [[unlikely]]
    if (const long refused = prepare_wait(h, fd, e, events, deadline, version); refused != 0) return refused;
  detail::waiter w(reason, self);
  core::fd_node node(events);
  node.notify = wake_target;
  node.target = &w;
  node.version = version;
  e.waiters.push_back(node);
  ++h.fd_waiters;
  core::trace::about(h, core::trace::about_descriptor, static_cast<std::uint64_t>(fd));
  constexpr std::uint8_t both = detail::in_call | detail::signal_due;
  const wake why = (self->call & both) == both ? detail::park(h, w, deadline) : detail::park_here(h, w, deadline);
  if (why == wake::ready) [[likely]]
    return node.closed ? -EBADF : 0;
  if (node.linked()) {
    node.unlink();
    --h.fd_waiters;
  }
  return ended_by(why);
}

}  // namespace weft::io
