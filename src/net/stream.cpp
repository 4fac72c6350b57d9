// Streams over the POSIX-shaped calls of weft/io.hpp. What read_until read too much stays in `ahead_` and is served first.
#include "weft/stream.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <stdexcept>

#include "net/fail.hpp"
#include "net/pipe.hpp"
#include "weft/io.hpp"

namespace weft {

namespace {

// What one recv asks for on behalf of the buffered calls.
constexpr std::size_t chunk = 16 * 1024;

stream connect_one(const endpoint& to) {
  socket_handle s = net::open_socket(to.family(), SOCK_STREAM);
  if (weft::connect(s.fd(), to.data(), to.size()) != 0) net::fail("connect to " + to.to_string());
  return stream(s.release());
}

stream connect_any(const std::vector<endpoint>& addresses) {
  for (std::size_t i = 0; i + 1 < addresses.size(); ++i) {
    try {
      return connect_one(addresses[i]);
    } catch (const std::system_error&) {
      continue;  // the next address may do; the last one's error is thrown
    }
  }
  return connect_one(addresses.back());
}

}  // namespace

end_of_stream::~end_of_stream() = default;
line_too_long::~line_too_long() = default;

stream stream::connect(std::string_view host, std::uint16_t port) { return connect_any(resolve(host, port)); }
stream stream::connect(std::string_view host, std::string_view service) { return connect_any(resolve(host, service)); }
stream stream::connect(const endpoint& to) { return connect_one(to); }

std::pair<stream, stream> stream::pair() {
  std::array<int, 2> fds;
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) net::fail("socketpair");
  return {stream(fds[0]), stream(fds[1])};
}

endpoint stream::peer_endpoint() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) net::fail("getpeername");
  return endpoint(reinterpret_cast<const sockaddr*>(&address), size);
}

// The peer is asked for when something failed already, and may be gone.
std::string stream::describe(const char* operation) const {
  const int error = errno;
  std::string text = operation;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd(), reinterpret_cast<sockaddr*>(&address), &size) == 0)
    text += " " + endpoint(reinterpret_cast<const sockaddr*>(&address), size).to_string();
  errno = error;
  return text;
}

std::size_t stream::receive(void* to, std::size_t size) {
  for (;;) {
    ssize_t got = weft::recv(fd(), to, size, 0);
    if (got < 0 && errno == ENOTSOCK) got = weft::read(fd(), to, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) net::fail(describe("receive from"));
  }
}

// Reads one more chunk ahead; false at the end of the stream.
bool stream::fill() {
  if (taken_ > 0) {
    ahead_.erase(0, taken_);
    taken_ = 0;
  }
  std::array<char, chunk> part;
  const std::size_t got = receive(part.data(), part.size());
  ahead_.append(part.data(), got);
  return got > 0;
}

std::string stream::take(std::size_t size) {
  std::string out = ahead_.substr(taken_, size);
  taken_ += out.size();
  if (taken_ == ahead_.size()) {
    ahead_.clear();
    taken_ = 0;
  }
  return out;
}

std::size_t stream::read_some(void* to, std::size_t size) {
  if (ahead_.size() == taken_) return receive(to, size);
  const std::string part = take(size);
  std::memcpy(to, part.data(), part.size());
  return part.size();
}

std::string stream::read_some(std::size_t most) {
  if (ahead_.size() != taken_) return take(most);
  std::string out(most, '\0');
  out.resize(receive(out.data(), most));
  return out;
}

void stream::read_exactly(void* to, std::size_t size) {
  char* at = static_cast<char*>(to);
  for (std::size_t done = 0; done < size;) {
    const std::size_t got = read_some(at + done, size - done);
    if (got == 0)
      throw end_of_stream(describe("the stream ended early:") + " wanted " + std::to_string(size) + " bytes, got " +
                            std::to_string(done),
                          std::string(at, done));
    done += got;
  }
}

std::string stream::read_exactly(std::size_t size) {
  std::string out(size, '\0');
  read_exactly(out.data(), size);
  return out;
}

std::string stream::read_until(std::string_view separator, std::size_t limit) {
  if (separator.empty()) throw std::invalid_argument("weft: read_until wants a separator");
  std::size_t looked = 0;  // bytes ahead that hold no separator
  for (;;) {
    const std::string_view left = std::string_view(ahead_).substr(taken_);
    const std::size_t at = left.find(separator, looked);
    if (at != left.npos && at + separator.size() <= limit) return take(at + separator.size());
    if (at != left.npos || left.size() >= limit)
      throw line_too_long(describe(("no separator within " + std::to_string(limit) + " bytes from").c_str()));
    looked = left.size() < separator.size() ? 0 : left.size() - separator.size() + 1;
    if (!fill()) {
      std::string partial = take(ahead_.size());
      throw end_of_stream(describe("the stream ended before a separator:"), std::move(partial));
    }
  }
}

std::optional<std::string> stream::read_line(std::size_t limit) {
  std::string line;
  try {
    line = read_until("\n", limit);
    line.pop_back();
  } catch (const end_of_stream& end) {
    if (end.partial().empty()) return std::nullopt;
    line = end.partial();
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

std::string stream::read_all() {
  while (fill()) {
  }
  return take(ahead_.size());
}

void stream::write_all(const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t sent = weft::send(fd(), at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == ENOTSOCK) sent = net::write_some(fd(), at, size);
    if (sent < 0) {
      if (errno == EINTR) continue;
      net::fail(describe("send to"));
    }
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

void stream::shutdown_write() {
  if (weft::shutdown(fd(), SHUT_WR) != 0) net::fail(describe("shutdown of the stream to"));
}

void stream::set_nodelay(bool on) { set_option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0); }

}  // namespace weft
