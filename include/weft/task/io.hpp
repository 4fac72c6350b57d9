// co_await of the calls of weft/io.hpp: same arguments, same answers (-1 with errno set for an error), same exceptions.
//
// The same code makes the calls (src/io): where it would park a fiber, the coroutine waits for what the fiber would have waited for, and
// goes on. What needs more than readiness (accept on a blocking listener, poll of several descriptors) runs in a fiber meanwhile.
#pragma once

#include <chrono>
#include <cstddef>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "weft/task/await.hpp"
#include "weft/task/in_fiber.hpp"

namespace weft {

namespace detail {

class WEFT_API io_operation : public fiber_operation {
public:
  // Often it need not wait at all.
  bool await_ready() noexcept { return tried(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    enter(h);
    return wait();
  }

protected:
  using attempt_function = long (*)(io_operation&) noexcept;
  io_operation(const char* why, int fd, attempt_function attempt) noexcept : fiber_operation(why), fd_(fd), attempt_(attempt) {}

  // Its answer, -1 with errno set for an error; throws what ended the wait.
  long finish();
  // The same as the value of wait_readable.
  bool finish_readiness();

  int fd_;
  // Bytes that have been transferred by attempts before.
  std::size_t done_ = 0;

private:
  enum class phase : unsigned char { readiness, pause, by_fiber };

  bool tried() noexcept;
  bool wait();
  bool wait_for_readiness() noexcept;
  long ended() const;
  static bool again(suspension& s) noexcept;

  attempt_function attempt_;
  long answer_ = 0;
  weft::fiber<long> worker_;
  phase phase_ = phase::readiness;
  alignas(8) unsigned char node_[48];  // core::fd_node
};

class WEFT_API read_operation : public io_operation {
public:
  read_operation(int fd, void* to, std::size_t size) noexcept : io_operation("read", fd, attempt), to_(to), size_(size) {}
  ssize_t await_resume() { return finish(); }

private:
  static long attempt(io_operation& op) noexcept;
  void* to_;
  std::size_t size_;
};

class WEFT_API readv_operation : public io_operation {
public:
  readv_operation(int fd, const iovec* parts, int count) noexcept : io_operation("readv", fd, attempt), parts_(parts), count_(count) {}
  ssize_t await_resume() { return finish(); }

private:
  static long attempt(io_operation& op) noexcept;
  const iovec* parts_;
  int count_;
};

class WEFT_API recv_operation : public io_operation {
public:
  recv_operation(int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* from_size) noexcept
      : io_operation("recv", fd, attempt), to_(to), size_(size), flags_(flags), from_(from), from_size_(from_size) {}
  ssize_t await_resume() { return finish(); }

private:
  static long attempt(io_operation& op) noexcept;
  void* to_;
  std::size_t size_;
  int flags_;
  sockaddr* from_;
  socklen_t* from_size_;
};

class WEFT_API recvmsg_operation : public io_operation {
public:
  recvmsg_operation(int fd, msghdr* message, int flags) noexcept : io_operation("recvmsg", fd, attempt), message_(message), flags_(flags) {}
  ssize_t await_resume() { return finish(); }

private:
  static long attempt(io_operation& op) noexcept;
  msghdr* message_;
  int flags_;
};

class WEFT_API write_operation : public io_operation {
public:
  write_operation(int fd, const void* from, std::size_t size) noexcept : io_operation("write", fd, attempt), from_(from), size_(size) {}
  ssize_t await_resume() { return finish(); }

private:
  static long attempt(io_operation& op) noexcept;
  const void* from_;
  std::size_t size_;
};

class WEFT_API writev_operation : public io_operation {
public:
  writev_operation(int fd, const iovec* parts, int count) noexcept : io_operation("writev", fd, attempt), parts_(parts), count_(count) {}
  ssize_t await_resume() { return finish(); }

private:
  static long attempt(io_operation& op) noexcept;
  const iovec* parts_;
  int count_;
};

class WEFT_API send_operation : public io_operation {
public:
  send_operation(int fd, const void* from, std::size_t size, int flags, const sockaddr* to, socklen_t to_size) noexcept
      : io_operation("send", fd, attempt), from_(from), size_(size), flags_(flags), to_(to), to_size_(to_size) {}
  ssize_t await_resume() { return finish(); }

private:
  static long attempt(io_operation& op) noexcept;
  const void* from_;
  std::size_t size_;
  int flags_;
  const sockaddr* to_;
  socklen_t to_size_;
};

class WEFT_API sendmsg_operation : public io_operation {
public:
  sendmsg_operation(int fd, const msghdr* message, int flags) noexcept
      : io_operation("sendmsg", fd, attempt), message_(message), flags_(flags) {}
  ssize_t await_resume() { return finish(); }

private:
  static long attempt(io_operation& op) noexcept;
  const msghdr* message_;
  int flags_;
};

class WEFT_API accept_operation : public io_operation {
public:
  accept_operation(int fd, sockaddr* address, socklen_t* size, int flags) noexcept
      : io_operation("accept", fd, attempt), address_(address), size_(size), flags_(flags) {}
  int await_resume() { return static_cast<int>(finish()); }

private:
  static long attempt(io_operation& op) noexcept;
  sockaddr* address_;
  socklen_t* size_;
  int flags_;
};

class WEFT_API connect_operation : public io_operation {
public:
  connect_operation(int fd, const sockaddr* address, socklen_t size) noexcept
      : io_operation("connect", fd, attempt), address_(address), size_(size) {}
  int await_resume() { return static_cast<int>(finish()); }

private:
  static long attempt(io_operation& op) noexcept;
  const sockaddr* address_;
  socklen_t size_;
  bool begun_ = false;
};

class WEFT_API readiness_operation : public io_operation {
public:
  readiness_operation(int fd, short events, nanos deadline) noexcept
      : io_operation("wait_ready", fd, attempt), events_(events), deadline_(deadline) {}
  bool await_resume() { return finish_readiness(); }

private:
  static long attempt(io_operation& op) noexcept;
  short events_;
  nanos deadline_;
};

class WEFT_API poll_operation : public io_operation {
public:
  poll_operation(pollfd* fds, nfds_t count, int timeout_ms) noexcept
      : io_operation("poll", -1, attempt), fds_(fds), count_(count), timeout_ms_(timeout_ms) {}
  int await_resume() { return static_cast<int>(finish()); }

private:
  static long attempt(io_operation& op) noexcept;
  pollfd* fds_;
  nfds_t count_;
  int timeout_ms_;
};

}  // namespace detail

namespace async {

// Each is the call of the same name in weft/io.hpp. Buffers and addresses must live until the co_await is over.
inline auto read(int fd, void* to, std::size_t size) { return detail::call<detail::read_operation>(fd, to, size); }
inline auto readv(int fd, const iovec* parts, int count) { return detail::call<detail::readv_operation>(fd, parts, count); }
inline auto recv(int fd, void* to, std::size_t size, int flags) {
  return detail::call<detail::recv_operation>(fd, to, size, flags, nullptr, nullptr);
}
inline auto recvfrom(int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* from_size) {
  return detail::call<detail::recv_operation>(fd, to, size, flags, from, from_size);
}
inline auto recvmsg(int fd, msghdr* message, int flags) { return detail::call<detail::recvmsg_operation>(fd, message, flags); }

inline auto write(int fd, const void* from, std::size_t size) { return detail::call<detail::write_operation>(fd, from, size); }
inline auto writev(int fd, const iovec* parts, int count) { return detail::call<detail::writev_operation>(fd, parts, count); }
inline auto send(int fd, const void* from, std::size_t size, int flags) {
  return detail::call<detail::send_operation>(fd, from, size, flags, nullptr, socklen_t{0});
}
inline auto sendto(int fd, const void* from, std::size_t size, int flags, const sockaddr* to, socklen_t to_size) {
  return detail::call<detail::send_operation>(fd, from, size, flags, to, to_size);
}
inline auto sendmsg(int fd, const msghdr* message, int flags) { return detail::call<detail::sendmsg_operation>(fd, message, flags); }

inline auto accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  return detail::call<detail::accept_operation>(fd, address, size, flags);
}
inline auto accept(int fd, sockaddr* address, socklen_t* size) { return async::accept4(fd, address, size, 0); }
inline auto connect(int fd, const sockaddr* address, socklen_t size) {
  return detail::call<detail::connect_operation>(fd, address, size);
}
inline auto poll(pollfd* fds, nfds_t count, int timeout_ms) { return detail::call<detail::poll_operation>(fds, count, timeout_ms); }

// True when `fd` can be read (written) without waiting; false when `timeout` passed first. Throws std::system_error, cancelled.
inline auto wait_readable(int fd) { return detail::call<detail::readiness_operation>(fd, short{POLLIN}, detail::never); }
inline auto wait_writable(int fd) { return detail::call<detail::readiness_operation>(fd, short{POLLOUT}, detail::never); }
template <class Rep, class Period>
auto wait_readable(int fd, std::chrono::duration<Rep, Period> timeout) {
  return detail::call<detail::readiness_operation>(fd, short{POLLIN}, detail::deadline_after(detail::current_hub(), timeout));
}
template <class Rep, class Period>
auto wait_writable(int fd, std::chrono::duration<Rep, Period> timeout) {
  return detail::call<detail::readiness_operation>(fd, short{POLLOUT}, detail::deadline_after(detail::current_hub(), timeout));
}

}  // namespace async
}  // namespace weft
