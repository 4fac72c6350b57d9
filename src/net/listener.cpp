// Listening sockets: binding to the first address that can be bound, and accept with errors as sentences.
#include "weft/listener.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/accept.hpp"
#include "net/fail.hpp"
#include "weft/dns.hpp"
#include "weft/io.hpp"

namespace weft {

namespace {

// The address to bind to. An empty host is every address: one IPv6 socket that takes IPv4 too, where the kernel has IPv6.
std::vector<endpoint> addresses_of(std::string_view host, std::uint16_t port) {
  if (!host.empty()) return resolve(host, port);
  return {endpoint::ip("::", port), endpoint::ip("0.0.0.0", port)};
}

}  // namespace

listener::listener(const endpoint& at, const listen_options& options)
    : socket_handle(net::open_socket(at.family(), SOCK_STREAM)) {
  if (at.family() != AF_UNIX) {
    set_option(SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reuse_port) set_option(SOL_SOCKET, SO_REUSEPORT, 1);
    if (at.family() == AF_INET6) set_option(IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0);
  }
  if (::bind(fd(), at.data(), at.size()) != 0) net::fail("bind to " + at.to_string());
  if (::listen(fd(), options.backlog) != 0) net::fail("listen on " + at.to_string());
}

listener::listener(std::string_view host, std::uint16_t port, const listen_options& options) {
  const std::vector<endpoint> addresses = addresses_of(host, port);
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    try {
      *this = listener(addresses[i], options);
      return;
    } catch (const std::system_error&) {
      if (i + 1 == addresses.size()) throw;
    }
  }
}

int net::accept_one(int fd, stream& connection, endpoint& peer) {
  sockaddr_storage address{};
  for (;;) {
    socklen_t size = sizeof address;
    const int got = weft::accept4(fd, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC);
    if (got >= 0) {
      connection = stream(got);
      peer = endpoint(reinterpret_cast<const sockaddr*>(&address), size);
      return 0;
    }
    if (errno != EINTR) return errno;
  }
}

std::system_error net::accept_failure(int fd, int error) {
  std::string text = "weft: accept";
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0)
    text += " on " + endpoint(reinterpret_cast<const sockaddr*>(&own), size).to_string();
  return std::system_error(error, std::generic_category(), text);
}

std::pair<stream, endpoint> listener::accept_from() {
  std::pair<stream, endpoint> got;
  if (const int error = net::accept_one(fd(), got.first, got.second); error != 0) throw net::accept_failure(fd(), error);
  return got;
}

stream listener::accept() { return accept_from().first; }

}  // namespace weft
