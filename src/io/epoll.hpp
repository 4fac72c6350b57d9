// The program's own epoll sets: the hub's poller waits for the set's descriptor, which is readable while events are there; then the
// kernel hands the events out, without waiting, as it would have.
//
// So EPOLLET, EPOLLONESHOT and EPOLLEXCLUSIVE stay the kernel's, and an event goes to one waiter: whoever finds nothing waits on.
// The hub's poller stands above the program's set in the kernel's eyes, and a set may be nested only so deep (epoll_ctl(2), ELOOP): there
// the wait looks from time to time instead.
#pragma once

#include <cstddef>

#include "io/ended.hpp"

struct epoll_event;

namespace weft::io {

// As epoll_pwait(2); `limit` is how long to wait at most, `mask` may be null.
long epoll_wait(hub& h, int set, epoll_event* events, int most, nanos limit, const void* mask, std::size_t mask_size) noexcept;

// epoll_ctl(2), to which the hub's own interest in the program's sets does not exist.
long epoll_ctl(hub& h, int set, int operation, int fd, void* event) noexcept;

}  // namespace weft::io
