// The blocking calls of POSIX on descriptors, parking the calling fiber instead of its OS thread. After POSIX in what they return,
// after gevent's sockets in how they wait.
//
// Each call returns what the call of the same name in libc returns: -1 with errno set for an error. They differ in this:
// - They wait whatever the descriptor's O_NONBLOCK is, as gevent's sockets do; MSG_DONTWAIT asks not to. SO_RCVTIMEO and SO_SNDTIMEO
//   are not looked at: use fail_after and move_on_after. The descriptor's flags are never changed (connect sets O_NONBLOCK for the
//   one system call and takes it back).
// - They throw `cancelled` when the fiber is cancelled while it would wait, what was thrown in, and `deadlock`. When a part has been
//   transferred, the count of it is returned instead, and the next wait throws.
// - A call that need not wait does not let others run, as in gevent: a loop of such calls wants a yield() now and then.
// - On a descriptor that is closed by weft::close while a fiber waits, the wait ends with EBADF. Several fibers may wait on one.
// - send, sendmsg, write and writev come back when everything is sent, or with less when an error or a cancellation came between.
//
// A descriptor that was waited on must be closed with weft::close (or, after patch_all(), in whatever way): the number's next use
// would otherwise be taken for the same descriptor. After setsockopt(TCP_ULP) call weft::forget. Use from several OS threads: each
// waits on its own hub; closing wakes the fibers of the closing thread's hub.
#pragma once

#include <chrono>
#include <cstddef>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "weft/detail/wait.hpp"

namespace weft {

// Reads what is there, at least one byte, 0 at the end of the stream. Parks until then.
WEFT_API ssize_t read(int fd, void* to, std::size_t size);
WEFT_API ssize_t readv(int fd, const iovec* parts, int count);
WEFT_API ssize_t recv(int fd, void* to, std::size_t size, int flags);
WEFT_API ssize_t recvfrom(int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* from_size);
WEFT_API ssize_t recvmsg(int fd, msghdr* message, int flags);

// Writes everything on a stream, pipe or terminal. Parks while there is no room.
WEFT_API ssize_t write(int fd, const void* from, std::size_t size);
WEFT_API ssize_t writev(int fd, const iovec* parts, int count);
WEFT_API ssize_t send(int fd, const void* from, std::size_t size, int flags);
WEFT_API ssize_t sendto(int fd, const void* from, std::size_t size, int flags, const sockaddr* to, socklen_t to_size);
WEFT_API ssize_t sendmsg(int fd, const msghdr* message, int flags);

// Parks until a connection has come. The new descriptor's flags are those given (accept: none).
WEFT_API int accept(int fd, sockaddr* address, socklen_t* size);
WEFT_API int accept4(int fd, sockaddr* address, socklen_t* size, int flags);
// Parks until the connection stands or has failed.
WEFT_API int connect(int fd, const sockaddr* address, socklen_t size);

// Parks until one of the descriptors is ready or the time is over; any number of descriptors, of any value.
WEFT_API int poll(pollfd* fds, nfds_t count, int timeout_ms);
WEFT_API int select(int count, fd_set* in, fd_set* out, fd_set* except, timeval* timeout);

// These never park. Fibers of this hub that wait on the descriptor wake with EBADF.
WEFT_API int close(int fd) noexcept;
WEFT_API int shutdown(int fd, int how) noexcept;
// Forgets what is remembered of `fd` without closing it; its waiters wake with EBADF.
WEFT_API void forget(int fd) noexcept;
WEFT_API int socket(int domain, int type, int protocol);
WEFT_API int socketpair(int domain, int type, int protocol, int fds[2]);
WEFT_API int pipe2(int fds[2], int flags);

namespace detail {
WEFT_API bool wait_ready_until(int fd, short events, nanos deadline, const char* reason);
}

// Parks until `fd` can be read without waiting (data, end, error), true; false when `timeout` passed first. Throws
// std::system_error when the descriptor is closed or cannot be waited for; cancelled; deadlock. After gevent.os/socket.wait_read.
inline bool wait_readable(int fd) { return detail::wait_ready_until(fd, POLLIN, detail::never, "wait_readable"); }
template <class Rep, class Period>
bool wait_readable(int fd, std::chrono::duration<Rep, Period> timeout) {
  return detail::wait_ready_until(fd, POLLIN, detail::deadline_after(detail::current_hub(), timeout), "wait_readable");
}
// Same, until it can be written.
inline bool wait_writable(int fd) { return detail::wait_ready_until(fd, POLLOUT, detail::never, "wait_writable"); }
template <class Rep, class Period>
bool wait_writable(int fd, std::chrono::duration<Rep, Period> timeout) {
  return detail::wait_ready_until(fd, POLLOUT, detail::deadline_after(detail::current_hub(), timeout), "wait_writable");
}

}  // namespace weft
