// Every blocking call, once. Doors call these and translate the answer; the semantics are in the files named after the calls.
//
// Each op tries without blocking, waits for readiness while the kernel says EAGAIN, and answers as the kernel would have: >= 0 or
// -errno, or an ended code (ended.hpp). With something transferred already, that is the answer, whatever ended the wait. Pointers
// are a program's: bad ones get EFAULT. The calling thread must have a hub, and the caller be a fiber of it.
#pragma once

#include <cstddef>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "io/ended.hpp"
#include "io/park_rules.hpp"

namespace weft::io {

// recv.cpp, recv_message.cpp
long recv(hub& h, caller who, int fd, void* to, std::size_t n, int flags) noexcept;
long recvfrom(hub& h, caller who, int fd, void* to, std::size_t n, int flags, void* from, void* from_size) noexcept;
long recvmsg(hub& h, caller who, int fd, msghdr* message, int flags) noexcept;
long recvmmsg(hub& h, caller who, int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) noexcept;

// send.cpp, send_message.cpp
long send(hub& h, caller who, int fd, const void* from, std::size_t n, int flags) noexcept;
// What is left of a send whose first try, with MSG_DONTWAIT, the caller has made: it gave `first`, which is not all of `n`.
long send_after(hub& h, caller who, int fd, const void* from, std::size_t n, int flags, long first) noexcept;
long sendto(hub& h, caller who, int fd, const void* from, std::size_t n, int flags, const void* to, unsigned to_size) noexcept;
long sendmsg(hub& h, caller who, int fd, const msghdr* message, int flags) noexcept;
long sendmmsg(hub& h, caller who, int fd, mmsghdr* messages, unsigned count, int flags) noexcept;

// read.cpp, write.cpp: sockets, pipes, terminals, eventfds...
long read(hub& h, caller who, int fd, void* to, std::size_t n) noexcept;
long readv(hub& h, caller who, int fd, const iovec* parts, unsigned long count) noexcept;
long write(hub& h, caller who, int fd, const void* from, std::size_t n) noexcept;
long writev(hub& h, caller who, int fd, const iovec* parts, unsigned long count) noexcept;

// accept.cpp, connect.cpp
long accept4(hub& h, caller who, int fd, void* address, void* size, int flags) noexcept;
long connect(hub& h, caller who, int fd, const void* address, unsigned size) noexcept;

// poll.cpp, select.cpp. `limit` is how long to wait at most, `never` for no limit.
long poll(hub& h, pollfd* fds, unsigned long count, nanos limit) noexcept;
// As ppoll(2): `limit`, null for none, gets what was left; `mask`, of `mask_size` bytes, is the signal mask during the wait.
long ppoll(hub& h, pollfd* fds, unsigned long count, timespec* limit, const void* mask, std::size_t mask_size) noexcept;
long select(hub& h, int count, void* in, void* out, void* except, timeval* limit) noexcept;
// `mask` points at {mask, size}, as pselect6(2) has it.
long pselect(hub& h, int count, void* in, void* out, void* except, timespec* limit, const void* mask) noexcept;
// Waits for `events` (poll's bits) on one descriptor. 1 when there, 0 at the deadline.
long wait_ready(hub& h, int fd, short events, nanos deadline, const char* reason) noexcept;

// sleep.cpp
long nanosleep(hub& h, const timespec* wanted, timespec* left) noexcept;
long clock_nanosleep(hub& h, int clock, int flags, const timespec* wanted, timespec* left) noexcept;

}  // namespace weft::io
