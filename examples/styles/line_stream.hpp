// A TCP connection for coroutines: lines and all-or-nothing writes, each awaited. Made of weft::async's socket calls. (What a co_await
// gives is put into a variable first: g++ 12 goes wrong where it stands inside a larger condition.)
#pragma once

#include <weft/weft.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

class line_stream {
public:
  explicit line_stream(int fd) noexcept : fd_(fd) {}
  line_stream(line_stream&& other) noexcept : fd_(std::exchange(other.fd_, -1)), ahead_(std::move(other.ahead_)) {}
  line_stream& operator=(line_stream&&) = delete;
  ~line_stream() { close(); }

  static weft::task<line_stream> connect(std::uint16_t port) {
    line_stream s(weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in at = loopback(port);
    const int refused = co_await weft::async::connect(s.fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at);
    if (refused != 0) fail("connect");
    co_return s;
  }
  // The next connection of a listening socket.
  static weft::task<line_stream> accept(int listener) {
    const int fd = co_await weft::async::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) fail("accept");
    co_return line_stream(fd);
  }
  // A listening socket on loopback.
  static int listen(std::uint16_t port = 0, bool shared = false) {
    const int fd = weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    const sockaddr_in at = loopback(port);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(fd, 1024) != 0) fail("listen");
    return fd;
  }
  static std::uint16_t port_of(int fd) {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
  }

  // What is there, at least a byte; empty at the end of the stream.
  weft::task<std::string> read_some() {
    if (!ahead_.empty()) co_return std::exchange(ahead_, {});
    std::string part(65536, 0);
    const ssize_t got = co_await weft::async::recv(fd_, part.data(), part.size(), 0);
    if (got < 0) fail("recv");
    part.resize(static_cast<std::size_t>(got));
    co_return part;
  }
  // A line without its end; nothing at the end of the stream.
  weft::task<std::optional<std::string>> read_line() {
    std::string line = std::exchange(ahead_, {});
    for (;;) {
      if (const std::size_t end = line.find('\n'); end != line.npos) {
        ahead_ = line.substr(end + 1);
        line.resize(end != 0 && line[end - 1] == '\r' ? end - 1 : end);
        co_return line;
      }
      const std::string part = co_await read_some();
      if (part.empty()) co_return std::nullopt;
      line += part;
    }
  }
  weft::task<std::string> read_all() {
    std::string all;
    for (;;) {
      const std::string part = co_await read_some();
      if (part.empty()) co_return all;
      all += part;
    }
  }
  weft::task<> write_all(std::string_view text) {
    const ssize_t sent = co_await weft::async::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(text.size())) fail("send");
  }
  void shutdown_write() { weft::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) weft::close(std::exchange(fd_, -1));
  }

private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
  }
  [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

  int fd_;
  std::string ahead_;
};

// GET of a page of site.hpp: the body. Throws std::runtime_error for a status that is not 200.
inline weft::task<std::string> async_get(std::uint16_t port, std::string path) {
  line_stream s = co_await line_stream::connect(port);
  co_await s.write_all("GET " + path + " HTTP/1.0\r\n\r\n");
  const std::string all = co_await s.read_all();
  const std::size_t body = all.find("\r\n\r\n");
  if (all.compare(9, 3, "200") != 0) throw std::runtime_error(path + ": " + all.substr(9, all.find('\r') - 9));
  co_return all.substr(body + 4);
}
