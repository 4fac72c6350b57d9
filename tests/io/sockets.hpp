// Sockets for the tests of src/io: made with plain system calls before anything can park, closed through Weft.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "weft/io.hpp"

namespace weft_test {

using namespace std::chrono_literals;

// Closes through Weft, so that the number's next life starts clean.
class owned_fd {
public:
  owned_fd() = default;
  explicit owned_fd(int fd) : fd_(fd) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "descriptor");
  }
  owned_fd(owned_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  owned_fd& operator=(owned_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~owned_fd() { reset(); }
  operator int() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) weft::close(std::exchange(fd_, -1));
  }

private:
  int fd_ = -1;
};

struct ends {
  owned_fd a, b;
};

inline sockaddr* any(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }

struct listener {
  explicit listener(int backlog = 64) : fd(weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd, any(address), size) != 0 || ::listen(fd, backlog) != 0 || ::getsockname(fd, any(address), &size) != 0)
      throw std::system_error(errno, std::generic_category(), "listen");
  }
  owned_fd fd;
  sockaddr_in address{};
};

// A port that is taken, and where nobody listens: who connects is refused, and no other program comes to listen there.
struct refusing {
  refusing() : fd(weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd, any(address), size) != 0 || ::getsockname(fd, any(address), &size) != 0)
      throw std::system_error(errno, std::generic_category(), "bind");
  }
  owned_fd fd;
  sockaddr_in address{};
};

// A TCP connection over loopback.
inline ends tcp_pair() {
  listener l;
  owned_fd client(weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(client, any(l.address), sizeof l.address) != 0) throw std::system_error(errno, std::generic_category(), "connect");
  owned_fd server(weft::accept4(l.fd, nullptr, nullptr, SOCK_CLOEXEC));
  const int on = 1;
  ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return {std::move(client), std::move(server)};
}

inline ends unix_pair(int type = SOCK_STREAM) {
  int fds[2];
  if (weft::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) throw std::system_error(errno, std::generic_category(), "socketpair");
  return {owned_fd(fds[0]), owned_fd(fds[1])};
}

// a: the reading end.
inline ends pipe_pair() {
  int fds[2];
  if (weft::pipe2(fds, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  return {owned_fd(fds[0]), owned_fd(fds[1])};
}

// Plain, unparked: what the other side of a connection does.
inline void put(int fd, std::string_view text) {
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
    throw std::system_error(errno, std::generic_category(), "send");
}

inline std::string get(int fd, std::size_t most = 4096, int flags = 0) {
  std::string text(most, '\0');
  const ssize_t got = weft::recv(fd, text.data(), text.size(), flags);
  if (got < 0) return std::string("errno ") + std::to_string(errno);
  text.resize(static_cast<std::size_t>(got));
  return text;
}

// `get` so many times, with a bar between.
inline std::string get_each(int fd, std::initializer_list<std::pair<std::size_t, int>> sizes_and_flags) {
  std::string all;
  for (const auto& [size, flags] : sizes_and_flags) all += get(fd, size, flags) + "|";
  return all;
}

// A connection ends with a reset instead of FIN.
inline void reset_connection(owned_fd& fd) {
  const linger hard{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  fd.reset();
}

// What a test sends that no socket buffer holds.
inline std::string many_bytes(std::size_t n = 8u << 20) {
  std::string text(n, '\0');
  for (std::size_t i = 0; i < n; ++i) text[i] = static_cast<char>(i * 2654435761u >> 13);
  return text;
}

inline std::string read_to_end(int fd) {
  std::string all, part(65536, '\0');
  for (;;) {
    const ssize_t got = weft::read(fd, part.data(), part.size());
    if (got <= 0) return all;
    all.append(part.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace weft_test
