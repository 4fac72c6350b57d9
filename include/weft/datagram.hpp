// Datagram sockets, UDP and Unix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "weft/endpoint.hpp"
#include "weft/socket.hpp"

namespace weft {

class WEFT_API datagram_socket : public socket_handle {
public:
  datagram_socket() noexcept = default;
  explicit datagram_socket(int fd) noexcept : socket_handle(fd) {}
  // Bound to `at`; port 0 is a free port, which local_endpoint() tells. Throws std::system_error.
  explicit datagram_socket(const endpoint& at);
  // Unbound, of a family (AF_INET, AF_INET6, AF_UNIX).
  static datagram_socket unbound(int family);

  // Fixes the peer: send and receive speak with it alone. Never parks.
  void connect(const endpoint& to);

  // Sends one datagram; parks while the socket's buffer is full. Throws cancelled, std::system_error (EMSGSIZE, ECONNREFUSED, ...).
  void send_to(const endpoint& to, std::string_view data);
  void send(std::string_view data);
  // Waits for a datagram and where it came from; what is beyond `most` bytes is lost.
  std::pair<std::string, endpoint> receive_from(std::size_t most = 65536);
  // Same, into the caller's memory: the datagram's whole size, which may be more than `size`.
  std::size_t receive_from(void* to, std::size_t size, endpoint* from = nullptr);
};

}  // namespace weft
