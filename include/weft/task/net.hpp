// co_await of streams, listeners and datagram sockets: the members of weft/stream.hpp, weft/listener.hpp and weft/datagram.hpp with the
// object in front; the same results and exceptions. The object must live until the co_await is over.
//
//   auto s = co_await async::connect("example.org", 80);
//   co_await async::write_all(s, "GET / HTTP/1.0\r\n\r\n");
//   while (auto line = co_await async::read_line(s)) ...
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "weft/datagram.hpp"
#include "weft/listener.hpp"
#include "weft/stream.hpp"
#include "weft/task.hpp"

namespace weft {

namespace detail {

inline task<> write_kept(stream& s, std::string text);
inline task<> send_kept(datagram_socket& s, endpoint to, std::string data);
inline task<> send_kept(datagram_socket& s, std::string data);

}  // namespace detail

namespace async {

// stream::connect.
WEFT_API task<stream> connect(std::string host, std::uint16_t port);
WEFT_API task<stream> connect(std::string host, std::string service);
WEFT_API task<stream> connect(endpoint to);

// What is there, at most `size` bytes; 0 or an empty string at the end of the stream.
WEFT_API task<std::size_t> read_some(stream& s, void* to, std::size_t size);
WEFT_API task<std::string> read_some(stream& s, std::size_t most = 65536);
// All of `size` bytes; throws end_of_stream when the peer ends first.
WEFT_API task<> read_exactly(stream& s, void* to, std::size_t size);
WEFT_API task<std::string> read_exactly(stream& s, std::size_t size);
// Up to and with `separator`. Throws end_of_stream, line_too_long, std::invalid_argument.
WEFT_API task<std::string> read_until(stream& s, std::string separator, std::size_t limit = 1 << 20);
// A line without its end; nothing at the end of the stream. Throws line_too_long.
WEFT_API task<std::optional<std::string>> read_line(stream& s, std::size_t limit = 1 << 20);
// Everything until the end of the stream.
WEFT_API task<std::string> read_all(stream& s);

// Writes all. What the view or pointer refers to must live until it is over; a std::string that is moved in is kept.
WEFT_API task<> write_all(stream& s, const void* data, std::size_t size);
inline task<> write_all(stream& s, std::string_view text) { return write_all(s, text.data(), text.size()); }
template <std::same_as<std::string> S>
task<> write_all(stream& s, S&& text) {
  return detail::write_kept(s, std::move(text));
}

// A listener for `host`, which is looked up.
WEFT_API task<listener> listen(std::string host, std::uint16_t port, listen_options options = {});
// The next connection.
WEFT_API task<stream> accept(listener& at);
WEFT_API task<std::pair<stream, endpoint>> accept_from(listener& at);

// One datagram. The view as in write_all.
WEFT_API task<> send_to(datagram_socket& s, endpoint to, std::string_view data);
WEFT_API task<> send(datagram_socket& s, std::string_view data);
template <std::same_as<std::string> S>
task<> send_to(datagram_socket& s, endpoint to, S&& data) {
  return detail::send_kept(s, to, std::move(data));
}
template <std::same_as<std::string> S>
task<> send(datagram_socket& s, S&& data) {
  return detail::send_kept(s, std::move(data));
}
WEFT_API task<std::pair<std::string, endpoint>> receive_from(datagram_socket& s, std::size_t most = 65536);
WEFT_API task<std::size_t> receive_from(datagram_socket& s, void* to, std::size_t size, endpoint* from = nullptr);

}  // namespace async

inline task<> detail::write_kept(stream& s, std::string text) { co_await async::write_all(s, text.data(), text.size()); }
inline task<> detail::send_kept(datagram_socket& s, endpoint to, std::string data) {
  co_await async::send_to(s, to, std::string_view(data));
}
inline task<> detail::send_kept(datagram_socket& s, std::string data) { co_await async::send(s, std::string_view(data)); }

}  // namespace weft
