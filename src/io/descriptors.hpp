// The life of descriptor numbers: what to forget when one is closed, replaced or new.
//
// epoll keeps a registration as long as the open file lives, which a duplicate can make longer than the number: forgetting first,
// closing afterwards, is the order that never leaves a registration behind.
#pragma once

#include "core/hub.hpp"
#include "io/ended.hpp"
#include "sys/own_descriptors.hpp"

namespace weft::io {

// The number is about to be closed or replaced: on every hub its waiters wake with EBADF, and nothing is known of it any more.
void forget_everywhere(hub& h, int fd) noexcept;
// Same from a thread without a hub, and from a signal handler.
void forget_everywhere(int fd) noexcept;
void forget_range(unsigned first, unsigned last) noexcept;
// Same for `first` to `last`, Weft's own numbers left out.
void forget_range(hub& h, unsigned first, unsigned last) noexcept;
// The kernel has just given out this number: if anything is still noted of it, it was closed out of sight. The entry, null
// without memory.
core::fd_entry* note_new(hub& h, int fd) noexcept;
// Data, end or error may be there now without an event of the poller having told (shutdown, an option changed).
void look_again(hub& h, int fd) noexcept;
// The upper layer or kind of a socket may have changed.
void forget_kind(hub& h, int fd) noexcept;

// Weft's own descriptor, of whichever hub, which the program does not know of.
inline bool is_ours(int fd) noexcept { return sys::is_own_descriptor(fd); }
// The program is about to put a descriptor at that number, which is ours: it goes elsewhere. 0 or -errno; -EBUSY when it is not this
// hub's.
long make_way(hub& h, int fd) noexcept;

// Closes without touching what is not open; 0 or -errno.
long close(hub& h, int fd) noexcept;
long shutdown(hub& h, int fd, int how) noexcept;
// close_range(2) over the program's descriptors. Null: on a thread without a hub.
long close_range(hub* h, unsigned first, unsigned last, unsigned flags) noexcept;

// After fork, in the child: it must not share the parent's poller. Fibers stay, as gevent's greenlets do; those that wait for
// descriptors go on waiting, with this process's poller. 0 or -errno.
long renew_poller(hub& h) noexcept;

}  // namespace weft::io
