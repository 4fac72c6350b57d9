// Datagram sockets over the POSIX-shaped calls of weft/io.hpp. EINTR is nobody's business here: calls go on.
#include "weft/datagram.hpp"

#include <sys/socket.h>

#include <algorithm>

#include "net/fail.hpp"
#include "weft/io.hpp"

namespace weft {

datagram_socket::datagram_socket(const endpoint& at) : socket_handle(net::open_socket(at.family(), SOCK_DGRAM)) {
  if (::bind(fd(), at.data(), at.size()) != 0) net::fail("bind to " + at.to_string());
}

datagram_socket datagram_socket::unbound(int family) { return datagram_socket(net::open_socket(family, SOCK_DGRAM).release()); }

void datagram_socket::connect(const endpoint& to) {
  if (weft::connect(fd(), to.data(), to.size()) != 0) net::fail("connect to " + to.to_string());
}

void datagram_socket::send_to(const endpoint& to, std::string_view data) {
  while (weft::sendto(fd(), data.data(), data.size(), MSG_NOSIGNAL, to.data(), to.size()) < 0)
    if (errno != EINTR) net::fail("send to " + to.to_string());
}

void datagram_socket::send(std::string_view data) {
  while (weft::send(fd(), data.data(), data.size(), MSG_NOSIGNAL) < 0)
    if (errno != EINTR) net::fail("send on a connected datagram socket");
}

std::size_t datagram_socket::receive_from(void* to, std::size_t size, endpoint* from) {
  sockaddr_storage address{};
  for (;;) {
    socklen_t address_size = sizeof address;
    const ssize_t got = weft::recvfrom(fd(), to, size, MSG_TRUNC, reinterpret_cast<sockaddr*>(&address), &address_size);
    if (got < 0) {
      if (errno == EINTR) continue;
      net::fail("receive of a datagram");
    }
    // An unbound Unix peer has no address.
    if (from != nullptr) *from = address_size == 0 ? endpoint() : endpoint(reinterpret_cast<const sockaddr*>(&address), address_size);
    return static_cast<std::size_t>(got);
  }
}

std::pair<std::string, endpoint> datagram_socket::receive_from(std::size_t most) {
  std::pair<std::string, endpoint> out{std::string(most, '\0'), {}};
  out.first.resize(std::min(most, receive_from(out.first.data(), most, &out.second)));
  return out;
}

}  // namespace weft
