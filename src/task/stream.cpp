// Streams for coroutines: the loops of net/stream.cpp around awaited calls. The bytes that were read ahead are the same, so that fibers and
// tasks may take turns at one stream.
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "net/fail.hpp"
#include "net/pipe.hpp"
#include "weft/task/dns.hpp"
#include "weft/task/io.hpp"
#include "weft/task/net.hpp"

namespace weft {

// What a stream has to itself.
struct detail::stream_access {
  static bool has_ahead(const stream& s) noexcept { return s.ahead_.size() != s.taken_; }
  static std::string_view ahead(const stream& s) noexcept { return std::string_view(s.ahead_).substr(s.taken_); }
  static std::string take(stream& s, std::size_t size) { return s.take(size); }
  static std::string describe(const stream& s, const char* operation) { return s.describe(operation); }
  static void add(stream& s, std::string_view part) {
    s.ahead_.erase(0, std::exchange(s.taken_, 0));
    s.ahead_.append(part);
  }
};

namespace {

using access = detail::stream_access;

constexpr std::size_t chunk = 16 * 1024;

task<std::size_t> receive(stream& s, void* to, std::size_t size) {
  for (;;) {
    ssize_t got = co_await async::recv(s.fd(), to, size, 0);
    if (got < 0 && errno == ENOTSOCK) got = co_await async::read(s.fd(), to, size);
    if (got >= 0) co_return static_cast<std::size_t>(got);
    if (errno != EINTR) net::fail(access::describe(s, "receive from"));
  }
}

// Reads one more chunk ahead; false at the end of the stream.
task<bool> fill(stream& s) {
  std::array<char, chunk> part;
  const std::size_t got = co_await receive(s, part.data(), part.size());
  access::add(s, {part.data(), got});
  co_return got > 0;
}

task<stream> connect_any(std::vector<endpoint> addresses) {
  for (std::size_t i = 0; i + 1 < addresses.size(); ++i) {
    try {
      co_return co_await async::connect(addresses[i]);
    } catch (const std::system_error&) {
      continue;  // the next address may do; the last one's error is thrown
    }
  }
  co_return co_await async::connect(addresses.back());
}

}  // namespace

task<stream> async::connect(endpoint to) {
  socket_handle s = net::open_socket(to.family(), SOCK_STREAM);
  const int failed = co_await async::connect(s.fd(), to.data(), to.size());
  if (failed != 0) net::fail("connect to " + to.to_string());
  co_return stream(s.release());
}

task<stream> async::connect(std::string host, std::uint16_t port) {
  std::vector<endpoint> addresses = co_await resolve(std::move(host), port);
  co_return co_await connect_any(std::move(addresses));
}

task<stream> async::connect(std::string host, std::string service) {
  std::vector<endpoint> addresses = co_await resolve(std::move(host), std::move(service));
  co_return co_await connect_any(std::move(addresses));
}

task<std::size_t> async::read_some(stream& s, void* to, std::size_t size) {
  if (!access::has_ahead(s)) {
    const std::size_t got = co_await receive(s, to, size);
    co_return got;
  }
  const std::string part = access::take(s, size);
  std::memcpy(to, part.data(), part.size());
  co_return part.size();
}

task<std::string> async::read_some(stream& s, std::size_t most) {
  if (access::has_ahead(s)) co_return access::take(s, most);
  std::string out(most, '\0');
  const std::size_t got = co_await receive(s, out.data(), most);
  out.resize(got);
  co_return out;
}

task<> async::read_exactly(stream& s, void* to, std::size_t size) {
  char* at = static_cast<char*>(to);
  for (std::size_t done = 0; done < size;) {
    const std::size_t got = co_await read_some(s, at + done, size - done);
    if (got == 0)
      throw end_of_stream(access::describe(s, "the stream ended early:") + " wanted " + std::to_string(size) + " bytes, got " +
                              std::to_string(done),
                          std::string(at, done));
    done += got;
  }
}

task<std::string> async::read_exactly(stream& s, std::size_t size) {
  std::string out(size, '\0');
  co_await read_exactly(s, out.data(), size);
  co_return out;
}

task<std::string> async::read_until(stream& s, std::string separator, std::size_t limit) {
  if (separator.empty()) throw std::invalid_argument("weft: read_until wants a separator");
  std::size_t looked = 0;  // bytes ahead that hold no separator
  for (;;) {
    const std::string_view left = access::ahead(s);
    const std::size_t at = left.find(separator, looked);
    if (at != left.npos && at + separator.size() <= limit) co_return access::take(s, at + separator.size());
    if (at != left.npos || left.size() >= limit)
      throw line_too_long(access::describe(s, ("no separator within " + std::to_string(limit) + " bytes from").c_str()));
    looked = left.size() < separator.size() ? 0 : left.size() - separator.size() + 1;
    const bool more = co_await fill(s);
    if (!more) {
      std::string partial = access::take(s, access::ahead(s).size());
      throw end_of_stream(access::describe(s, "the stream ended before a separator:"), std::move(partial));
    }
  }
}

task<std::optional<std::string>> async::read_line(stream& s, std::size_t limit) {
  std::string line;
  try {
    line = co_await read_until(s, "\n", limit);
    line.pop_back();
  } catch (const end_of_stream& end) {
    if (end.partial().empty()) co_return std::nullopt;
    line = end.partial();
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  co_return line;
}

task<std::string> async::read_all(stream& s) {
  bool more = true;
  while (more) more = co_await fill(s);
  co_return access::take(s, access::ahead(s).size());
}

task<> async::write_all(stream& s, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    ssize_t sent = co_await async::send(s.fd(), at, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == ENOTSOCK) {
      co_await wait_writable(s.fd());
      const long got = net::write_at_once(s.fd(), at, size);
      if (got == -EAGAIN) continue;
      sent = got < 0 ? -1 : got;
      if (got < 0) errno = static_cast<int>(-got);
    }
    if (sent < 0) {
      if (errno == EINTR) continue;
      net::fail(access::describe(s, "send to"));
    }
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

}  // namespace weft
