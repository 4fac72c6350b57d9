// How every op waits for a descriptor: link into its entry, have the poller watch it, park.
//
// The order that loses nothing: take the entry's sequence; try; when the try would block and the sequence is still the same, watch
// and park. The poller reports what is ready at the moment of the first watch, and every edge after it.
#pragma once

#include "core/hub.hpp"
#include "io/ended.hpp"
#include "poller/poller.hpp"

namespace weft::io {

// Parks until one of `events` (or an error or hang-up) is reported for `fd`. 0: try again. -EBADF: the descriptor was closed
// meanwhile. -EPERM: it knows no readiness, call the kernel as it is. Other -errno as epoll_ctl(2). Else an ended code: timeout,
// cancellation.
long wait_fd(hub& h, int fd, core::fd_entry& e, std::uint32_t events, nanos deadline, const char* reason) noexcept;

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

}  // namespace weft::io
