// The C++ face of the ops (weft/io.hpp): errors into errno, ended waits into exceptions. Ordinary C++.
#include "weft/io.hpp"

#include <cerrno>
#include <system_error>

#include "io/descriptors.hpp"
#include "io/fd_facts.hpp"
#include "io/ops.hpp"
#include "sys/syscall.hpp"

namespace weft {
namespace {

using detail::hub;
using io::caller;

// Out of line, so that the calls themselves set up nothing for it, and keep nothing.
[[gnu::cold, gnu::noinline]] long failed(long result, const char* reason) {
  if (io::is_ended(result)) {
    detail::throw_if_ended(detail::current_hub(), io::why_ended(result), reason);
    result = -EAGAIN;
  }
  errno = static_cast<int>(-result);
  return -1;
}

inline long answer(long result, const char* reason) {
  return result >= 0 ? result : failed(result, reason);
}

// For calls that need no hub and never park.
long plain(long result) noexcept {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

long made_pair(long result, const int* fds) {
  if (result == 0)
    if (hub* h = detail::try_hub())
      for (int i = 0; i < 2; ++i) io::note_new(*h, fds[i]);
  return plain(result);
}

}  // namespace

ssize_t read(int fd, void* to, std::size_t size) {
  hub& h = detail::current_hub();
  return answer(io::read(h, caller::face, fd, to, size), "read");
}

ssize_t readv(int fd, const iovec* parts, int count) {
  hub& h = detail::current_hub();
  return answer(io::readv(h, caller::face, fd, parts, static_cast<unsigned long>(count)), "readv");
}

// recv and send decide how fast a server is: what is rare in them stands elsewhere, so that they keep nothing over it.
[[gnu::cold, gnu::noinline]] static ssize_t first_recv(int fd, void* to, std::size_t size, int flags) {
  detail::create_hub();
  return weft::recv(fd, to, size, flags);
}

ssize_t recv(int fd, void* to, std::size_t size, int flags) {
  hub* h = detail::try_hub();
  if (h == nullptr) [[unlikely]]
    return first_recv(fd, to, size, flags);
  return answer(io::recv(*h, caller::face, fd, to, size, flags), "recv");
}

ssize_t recvfrom(int fd, void* to, std::size_t size, int flags, sockaddr* from, socklen_t* from_size) {
  hub& h = detail::current_hub();
  return answer(io::recvfrom(h, caller::face, fd, to, size, flags, from, from_size), "recvfrom");
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  hub& h = detail::current_hub();
  return answer(io::recvmsg(h, caller::face, fd, message, flags), "recvmsg");
}

ssize_t write(int fd, const void* from, std::size_t size) {
  hub& h = detail::current_hub();
  return answer(io::write(h, caller::face, fd, from, size), "write");
}

ssize_t writev(int fd, const iovec* parts, int count) {
  hub& h = detail::current_hub();
  return answer(io::writev(h, caller::face, fd, parts, static_cast<unsigned long>(count)), "writev");
}

[[gnu::cold, gnu::noinline]] static ssize_t rest_of_send(int fd, const void* from, std::size_t size, int flags, long first) {
  return answer(io::send_after(detail::current_hub(), caller::face, fd, from, size, flags, first), "send");
}

ssize_t send(int fd, const void* from, std::size_t size, int flags) {
  // Nearly always all of it goes at once.
  const long sent = sys::raw(SYS_sendto, fd, from, size, flags | MSG_DONTWAIT, nullptr, 0);
  if (sent == static_cast<long>(size)) [[likely]]
    return sent;
  return rest_of_send(fd, from, size, flags, sent);
}

ssize_t sendto(int fd, const void* from, std::size_t size, int flags, const sockaddr* to, socklen_t to_size) {
  hub& h = detail::current_hub();
  return answer(io::sendto(h, caller::face, fd, from, size, flags, to, to_size), "sendto");
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  hub& h = detail::current_hub();
  return answer(io::sendmsg(h, caller::face, fd, message, flags), "sendmsg");
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  hub& h = detail::current_hub();
  return static_cast<int>(answer(io::accept4(h, caller::face, fd, address, size, flags), "accept"));
}

int accept(int fd, sockaddr* address, socklen_t* size) { return weft::accept4(fd, address, size, 0); }

int connect(int fd, const sockaddr* address, socklen_t size) {
  hub& h = detail::current_hub();
  return static_cast<int>(answer(io::connect(h, caller::face, fd, address, size), "connect"));
}

int poll(pollfd* fds, nfds_t count, int timeout_ms) {
  hub& h = detail::current_hub();
  const detail::nanos limit = timeout_ms < 0 ? detail::never : static_cast<detail::nanos>(timeout_ms) * 1'000'000;
  return static_cast<int>(answer(io::poll(h, fds, count, limit), "poll"));
}

int select(int count, fd_set* in, fd_set* out, fd_set* except, timeval* timeout) {
  hub& h = detail::current_hub();
  return static_cast<int>(answer(io::select(h, count, in, out, except, timeout), "select"));
}

int close(int fd) noexcept {
  hub* h = detail::try_hub();
  if (h != nullptr) return static_cast<int>(plain(io::close(*h, fd)));
  io::forget_everywhere(fd);
  return static_cast<int>(plain(sys::raw(SYS_close, fd)));
}

int shutdown(int fd, int how) noexcept {
  hub* h = detail::try_hub();
  return static_cast<int>(plain(h != nullptr ? io::shutdown(*h, fd, how) : sys::raw(SYS_shutdown, fd, how)));
}

void forget(int fd) noexcept {
  if (hub* h = detail::try_hub())
    io::forget_everywhere(*h, fd);
  else
    io::forget_everywhere(fd);
}

int socket(int domain, int type, int protocol) {
  const long fd = sys::raw(SYS_socket, domain, type, protocol);
  if (fd >= 0)
    if (hub* h = detail::try_hub()) io::note_new(*h, static_cast<int>(fd));
  return static_cast<int>(plain(fd));
}

int socketpair(int domain, int type, int protocol, int fds[2]) {
  return static_cast<int>(made_pair(sys::raw(SYS_socketpair, domain, type, protocol, fds), fds));
}

int pipe2(int fds[2], int flags) { return static_cast<int>(made_pair(sys::raw(SYS_pipe2, fds, flags), fds)); }

bool detail::wait_ready_until(int fd, short events, nanos deadline, const char* reason) {
  hub& h = current_hub();
  const long ready = io::wait_ready(h, fd, events, deadline, reason);
  if (ready >= 0) return ready > 0;
  if (io::is_ended(ready)) throw_if_ended(h, io::why_ended(ready), reason);
  throw std::system_error(static_cast<int>(-ready), std::generic_category(), reason);
}

}  // namespace weft
