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

// A call and, while it is awaited, how far it is. What has to be kept to wait is made when there is something to wait for, in the room
// behind it (io_call): most calls that send never do, and a server of thousands of connections feels each cache line that it touches.
class WEFT_API io_operation : public any_operation {
public:
  // Often it need not wait at all.
  bool await_ready() noexcept { return attempt_(*this); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    check_awaits<P>();
    return wait(h.address());
  }

protected:
  // Tries; false when it must wait. To be made of `settled`.
  using attempt_function = bool (*)(io_operation&) noexcept;
  // `bytes` and `size`: what is transferred, where it is one piece.
  io_operation(const char* why, int fd, attempt_function attempt, const void* bytes = nullptr, std::size_t size = 0) noexcept
      : attempt_(attempt), bytes_(static_cast<char*>(const_cast<void*>(bytes))), size_(size), reason_(why), fd_(fd) {}
  // Before it is awaited.
  io_operation(io_operation&& other) noexcept
      : attempt_(other.attempt_), bytes_(other.bytes_), size_(other.size_), reason_(other.reason_), fd_(other.fd_),
        room_at_(other.room_at_) {}
  ~io_operation() {
    if (by_fiber()) [[unlikely]]
      forget_worker();
  }

  // Its answer, -1 with errno set for an error; throws what ended the wait.
  long finish() {
    if (answer_ >= 0) [[likely]]
      return answer_;
    return finish_badly();
  }
  // The same as the value of wait_readable.
  bool finish_readiness();

  template <class Call>
  bool settled(Call once) noexcept;
  // Whether a fiber makes the call.
  bool by_fiber() const noexcept { return phase_ == phase::by_fiber; }

  static constexpr std::size_t room_size = 184;
  void give_room(void* at) noexcept { room_at_ = static_cast<std::uint8_t>(static_cast<char*>(at) - reinterpret_cast<char*>(this)); }

private:
  enum class phase : unsigned char { trying, readiness, pause, by_fiber };
  struct by_itself;  // its wait, while the coroutine waits for readiness or a while
  struct worker;     // the same, while a fiber makes the call

  bool wait(void* frame);
  bool wait_for(by_itself& how, phase which, nanos deadline) noexcept;
  void forget_worker() noexcept;
  long finish_badly();
  long ended() const;
  static bool again(suspension& s) noexcept;

  void* room() noexcept { return reinterpret_cast<char*>(this) + room_at_; }

  attempt_function attempt_;

protected:
  char* bytes_;
  std::size_t size_;
  // Bytes that have been transferred by attempts before.
  std::size_t done_ = 0;
  long answer_ = 0;
  const char* reason_;
  int fd_;

private:
  phase phase_ = phase::trying;
  std::uint8_t room_at_ = 0;  // bytes from here to the room
};

// What the calls of weft::async:: below give. Movable until it is awaited.
template <class Op>
class [[nodiscard("nothing happens before it is awaited: co_await it")]] io_call final : public Op {
public:
  using weft_awaited = void;
  template <class... A>
  explicit io_call(A... a) noexcept : Op(a...) {
    this->give_room(room_);
  }
  io_call(io_call&& other) noexcept : Op(std::move(other)) {}

private:
  alignas(8) unsigned char room_[Op::room_size];  // by_itself or worker, or nothing yet
};

// Its awaiter, beside it in the frame: g++ 12 would copy a call that was its own.
template <class Op>
struct io_awaiter {
  io_call<Op>* call;
  bool await_ready() const noexcept { return call->await_ready(); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) const {
    return call->await_suspend(h);
  }
  decltype(auto) await_resume() const { return call->await_resume(); }
};

template <class Op>
struct awaiting<io_call<Op>> {
  static io_awaiter<Op> make(io_call<Op>&& call) noexcept { return {&call}; }
  static io_awaiter<Op> make(io_call<Op>& call) noexcept {
    static_assert(never_true<Op>, "await it where it is made, co_await weft::async::...(...): what a variable of it refers to may be gone");
    return {&call};
  }
};

class WEFT_API read_operation : public io_operation {
public:
  read_operation(int fd, void* to, std::size_t size) noexcept : io_operation("read", fd, attempt, to, size) {}
  ssize_t await_resume() { return finish(); }

private:
  static bool attempt(io_operation& op) noexcept;
};

class WEFT_API readv_operation : public io_operation {
public:
  readv_operation(int fd, const iovec* parts, int count) noexcept : io_operation("readv", fd, attempt), parts_(parts), count_(count) {}
  ssize_t await_resume() { return finish(); }

private:
  static bool attempt(io_operation& op) noexcept;
  const iovec* parts_;
  int count_;
};

class WEFT_API recv_operation : public io_operation {
public:
  recv_operation(int fd, void* to, std::size_t size, int flags) noexcept : recv_operation(attempt, fd, to, size, flags) {}
  ssize_t await_resume() { return finish(); }

protected:
  recv_operation(attempt_function how, int fd, void* to, std::size_t size, int flags) noexcept
      : io_operation("recv", fd, how, to, size), flags_(flags) {}
  template <class Call>
  long once(Call receive) noexcept;
  int flags_;

private:
  bool attempt_with_care() noexcept;
  static bool attempt(io_operation& op) noexcept;
};

class WEFT_API recvfrom_operation : public recv_operation {
public:
  recvfrom_operation(int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* from_size) noexcept
      : recv_operation(attempt, fd, to, size, flags), from_(from), from_size_(from_size) {}

private:
  static bool attempt(io_operation& op) noexcept;
  sockaddr* from_;
  socklen_t* from_size_;
};

class WEFT_API recvmsg_operation : public io_operation {
public:
  recvmsg_operation(int fd, msghdr* message, int flags) noexcept : io_operation("recvmsg", fd, attempt), message_(message), flags_(flags) {}
  ssize_t await_resume() { return finish(); }

private:
  static bool attempt(io_operation& op) noexcept;
  msghdr* message_;
  int flags_;
};

class WEFT_API write_operation : public io_operation {
public:
  write_operation(int fd, const void* from, std::size_t size) noexcept : io_operation("write", fd, attempt, from, size) {}
  ssize_t await_resume() { return finish(); }

private:
  static bool attempt(io_operation& op) noexcept;
};

class WEFT_API writev_operation : public io_operation {
public:
  writev_operation(int fd, const iovec* parts, int count) noexcept : io_operation("writev", fd, attempt), parts_(parts), count_(count) {}
  ssize_t await_resume() { return finish(); }

private:
  static bool attempt(io_operation& op) noexcept;
  const iovec* parts_;
  int count_;
};

class WEFT_API send_operation : public io_operation {
public:
  send_operation(int fd, const void* from, std::size_t size, int flags) noexcept : send_operation(attempt, fd, from, size, flags) {}
  ssize_t await_resume() { return finish(); }

protected:
  send_operation(attempt_function how, int fd, const void* from, std::size_t size, int flags) noexcept
      : io_operation("send", fd, how, from, size), flags_(flags) {}
  long once(const sockaddr* to, socklen_t to_size) noexcept;
  int flags_;

private:
  bool attempt_with_care(long first) noexcept;
  static bool attempt(io_operation& op) noexcept;
};

class WEFT_API sendto_operation : public send_operation {
public:
  sendto_operation(int fd, const void* from, std::size_t size, int flags, const sockaddr* to, socklen_t to_size) noexcept
      : send_operation(attempt, fd, from, size, flags), to_(to), to_size_(to_size) {}

private:
  static bool attempt(io_operation& op) noexcept;
  const sockaddr* to_;
  socklen_t to_size_;
};

class WEFT_API sendmsg_operation : public io_operation {
public:
  sendmsg_operation(int fd, const msghdr* message, int flags) noexcept
      : io_operation("sendmsg", fd, attempt), message_(message), flags_(flags) {}
  ssize_t await_resume() { return finish(); }

private:
  static bool attempt(io_operation& op) noexcept;
  const msghdr* message_;
  int flags_;
};

class WEFT_API accept_operation : public io_operation {
public:
  accept_operation(int fd, sockaddr* address, socklen_t* size, int flags) noexcept
      : io_operation("accept", fd, attempt), address_(address), address_size_(size), flags_(flags) {}
  int await_resume() { return static_cast<int>(finish()); }

private:
  static bool attempt(io_operation& op) noexcept;
  sockaddr* address_;
  socklen_t* address_size_;
  int flags_;
};

class WEFT_API connect_operation : public io_operation {
public:
  connect_operation(int fd, const sockaddr* address, socklen_t size) noexcept
      : io_operation("connect", fd, attempt), address_(address), address_size_(size) {}
  int await_resume() { return static_cast<int>(finish()); }

private:
  static bool attempt(io_operation& op) noexcept;
  const sockaddr* address_;
  socklen_t address_size_;
  bool begun_ = false;
};

class WEFT_API readiness_operation : public io_operation {
public:
  readiness_operation(int fd, short events, nanos deadline) noexcept
      : io_operation("wait_ready", fd, attempt), events_(events), deadline_(deadline) {}
  bool await_resume() { return finish_readiness(); }

private:
  static bool attempt(io_operation& op) noexcept;
  short events_;
  nanos deadline_;
};

class WEFT_API poll_operation : public io_operation {
public:
  poll_operation(pollfd* fds, nfds_t count, int timeout_ms) noexcept
      : io_operation("poll", -1, attempt), fds_(fds), count_(count), timeout_ms_(timeout_ms) {}
  int await_resume() { return static_cast<int>(finish()); }

private:
  static bool attempt(io_operation& op) noexcept;
  pollfd* fds_;
  nfds_t count_;
  int timeout_ms_;
};

}  // namespace detail

namespace async {

// Each is the call of the same name in weft/io.hpp. Buffers and addresses must live until the co_await is over.
inline auto read(int fd, void* to, std::size_t size) { return detail::io_call<detail::read_operation>(fd, to, size); }
inline auto readv(int fd, const iovec* parts, int count) { return detail::io_call<detail::readv_operation>(fd, parts, count); }
inline auto recv(int fd, void* to, std::size_t size, int flags) {
  return detail::io_call<detail::recv_operation>(fd, to, size, flags);
}
inline auto recvfrom(int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* from_size) {
  return detail::io_call<detail::recvfrom_operation>(fd, to, size, flags, from, from_size);
}
inline auto recvmsg(int fd, msghdr* message, int flags) { return detail::io_call<detail::recvmsg_operation>(fd, message, flags); }

inline auto write(int fd, const void* from, std::size_t size) { return detail::io_call<detail::write_operation>(fd, from, size); }
inline auto writev(int fd, const iovec* parts, int count) { return detail::io_call<detail::writev_operation>(fd, parts, count); }
inline auto send(int fd, const void* from, std::size_t size, int flags) {
  return detail::io_call<detail::send_operation>(fd, from, size, flags);
}
inline auto sendto(int fd, const void* from, std::size_t size, int flags, const sockaddr* to, socklen_t to_size) {
  return detail::io_call<detail::sendto_operation>(fd, from, size, flags, to, to_size);
}
inline auto sendmsg(int fd, const msghdr* message, int flags) { return detail::io_call<detail::sendmsg_operation>(fd, message, flags); }

inline auto accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  return detail::io_call<detail::accept_operation>(fd, address, size, flags);
}
inline auto accept(int fd, sockaddr* address, socklen_t* size) { return async::accept4(fd, address, size, 0); }
inline auto connect(int fd, const sockaddr* address, socklen_t size) {
  return detail::io_call<detail::connect_operation>(fd, address, size);
}
inline auto poll(pollfd* fds, nfds_t count, int timeout_ms) { return detail::io_call<detail::poll_operation>(fds, count, timeout_ms); }

// True when `fd` can be read (written) without waiting; false when `timeout` passed first. Throws std::system_error, cancelled.
inline auto wait_readable(int fd) { return detail::io_call<detail::readiness_operation>(fd, static_cast<short>(POLLIN), detail::never); }
inline auto wait_writable(int fd) { return detail::io_call<detail::readiness_operation>(fd, static_cast<short>(POLLOUT), detail::never); }
template <class Rep, class Period>
auto wait_readable(int fd, std::chrono::duration<Rep, Period> timeout) {
  return detail::io_call<detail::readiness_operation>(fd, static_cast<short>(POLLIN),
                                                      detail::deadline_after(detail::current_hub(), timeout));
}
template <class Rep, class Period>
auto wait_writable(int fd, std::chrono::duration<Rep, Period> timeout) {
  return detail::io_call<detail::readiness_operation>(fd, static_cast<short>(POLLOUT),
                                                      detail::deadline_after(detail::current_hub(), timeout));
}

}  // namespace async
}  // namespace weft
