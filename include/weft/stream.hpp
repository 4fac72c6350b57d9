// Connected byte streams: TCP, Unix sockets, the ends of pipes. Every call that waits parks only its fiber; timeouts are cancel scopes
// around the call (fail_after, move_on_after). After asyncio's StreamReader and StreamWriter, in one object.
//
// Failures are std::system_error with the errno and a sentence that names the operation and the peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "weft/dns.hpp"
#include "weft/endpoint.hpp"
#include "weft/error.hpp"
#include "weft/socket.hpp"

namespace weft {

namespace detail {
struct stream_access;  // src/task/stream.cpp
}

// The peer ended the stream where more was expected (asyncio's IncompleteReadError).
class WEFT_API end_of_stream : public error {
public:
  end_of_stream(std::string what, std::string partial) : error(std::move(what)), partial_(std::move(partial)) {}
  ~end_of_stream() override;
  // What had come of what was asked for.
  const std::string& partial() const noexcept { return partial_; }

private:
  std::string partial_;
};

// A separator did not come within the limit; what was read stays in the stream (asyncio's LimitOverrunError).
class WEFT_API line_too_long : public error {
public:
  using error::error;
  ~line_too_long() override;
};

class WEFT_API stream : public socket_handle {
public:
  stream() noexcept = default;
  // Owns `fd`, a connected stream socket or an end of a pipe.
  explicit stream(int fd) noexcept : socket_handle(fd) {}
  stream(stream&&) noexcept = default;
  stream& operator=(stream&&) noexcept = default;

  // Resolves the host and tries its addresses in order; throws the last one's error when none answers. Throws resolve_error,
  // std::system_error, cancelled.
  static stream connect(std::string_view host, std::uint16_t port);
  static stream connect(std::string_view host, std::string_view service);
  static stream connect(const endpoint& to);
  // Two ends of a Unix stream (socketpair).
  static std::pair<stream, stream> pair();

  // Reads what is there, at most `size` bytes, waiting for the first; 0 at the end of the stream.
  std::size_t read_some(void* to, std::size_t size);
  std::string read_some(std::size_t most = 65536);
  // Reads all of `size` bytes; throws end_of_stream when the peer ends first.
  void read_exactly(void* to, std::size_t size);
  std::string read_exactly(std::size_t size);
  // Reads up to and with `separator`. Throws end_of_stream, line_too_long (beyond `limit` bytes), std::invalid_argument when it is empty.
  std::string read_until(std::string_view separator, std::size_t limit = 1 << 20);
  // A line without its "\n" or "\r\n"; the last one may lack them; nothing at the end of the stream. Throws line_too_long.
  std::optional<std::string> read_line(std::size_t limit = 1 << 20);
  // Everything until the end of the stream.
  std::string read_all();

  // Writes all. A peer that is gone is EPIPE or ECONNRESET, never a signal.
  void write_all(const void* data, std::size_t size);
  void write_all(std::string_view text) { write_all(text.data(), text.size()); }
  // Tells the peer that no more comes; reading goes on.
  void shutdown_write();

  // Sends small writes at once (TCP_NODELAY).
  void set_nodelay(bool on = true);
  endpoint peer_endpoint() const;

private:
  friend struct detail::stream_access;

  std::size_t receive(void* to, std::size_t size);
  bool fill();
  std::string take(std::size_t size);
  std::string describe(const char* operation) const;

  std::string ahead_;       // read from the socket, but not yet by the program
  std::size_t taken_ = 0;   // of `ahead_`
};

}  // namespace weft
