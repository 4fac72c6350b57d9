// Listening sockets, TCP and Unix.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "weft/endpoint.hpp"
#include "weft/socket.hpp"
#include "weft/stream.hpp"

namespace weft {

struct listen_options {
  int backlog = 1024;        // connections the kernel keeps for accept; clamped to net.core.somaxconn
  bool reuse_port = false;   // SO_REUSEPORT: several processes share the port
  bool v6_only = false;      // an IPv6 socket takes no IPv4 peers
};

class WEFT_API listener : public socket_handle {
public:
  listener() noexcept = default;
  // Owns `fd`, a listening socket.
  explicit listener(int fd) noexcept : socket_handle(fd) {}
  // Listens on the host's first usable address; an empty host means every address of the machine, port 0 a free port, which
  // local_endpoint() tells. SO_REUSEADDR is set. May park (name look-up). Throws resolve_error, std::system_error.
  listener(std::string_view host, std::uint16_t port, const listen_options& options = {});
  // A Unix path must not exist; it is not removed at close.
  explicit listener(const endpoint& at, const listen_options& options = {});

  // The next connection. Parks. Throws cancelled, std::system_error (EMFILE when descriptors have run out, EBADF once closed, ...).
  stream accept();
  std::pair<stream, endpoint> accept_from();
};

}  // namespace weft
