// Listeners and datagram sockets for coroutines. EINTR is nobody's business here: calls go on.
#include <algorithm>
#include <cerrno>

#include "net/accept.hpp"
#include "net/fail.hpp"
#include "weft/task/in_fiber.hpp"
#include "weft/task/io.hpp"
#include "weft/task/net.hpp"

namespace weft {

task<listener> async::listen(std::string host, std::uint16_t port, listen_options options) {
  co_return co_await in_fiber([&] { return listener(host, port, options); });
}

task<std::pair<stream, endpoint>> async::accept_from(listener& at) {
  sockaddr_storage address{};
  for (;;) {
    socklen_t size = sizeof address;
    const int got = co_await async::accept4(at.fd(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC);
    if (got >= 0) co_return std::pair(stream(got), endpoint(reinterpret_cast<const sockaddr*>(&address), size));
    if (errno != EINTR) throw net::accept_failure(at.fd(), errno);
  }
}

task<stream> async::accept(listener& at) {
  auto got = co_await accept_from(at);
  co_return std::move(got.first);
}

task<> async::send_to(datagram_socket& s, endpoint to, std::string_view data) {
  for (;;) {
    const ssize_t sent = co_await async::sendto(s.fd(), data.data(), data.size(), MSG_NOSIGNAL, to.data(), to.size());
    if (sent >= 0) co_return;
    if (errno != EINTR) net::fail("send to " + to.to_string());
  }
}

task<> async::send(datagram_socket& s, std::string_view data) {
  for (;;) {
    const ssize_t sent = co_await async::send(s.fd(), data.data(), data.size(), MSG_NOSIGNAL);
    if (sent >= 0) co_return;
    if (errno != EINTR) net::fail("send on a connected datagram socket");
  }
}

task<std::size_t> async::receive_from(datagram_socket& s, void* to, std::size_t size, endpoint* from) {
  sockaddr_storage address{};
  for (;;) {
    socklen_t address_size = sizeof address;
    const ssize_t got = co_await async::recvfrom(s.fd(), to, size, MSG_TRUNC, reinterpret_cast<sockaddr*>(&address), &address_size);
    if (got < 0) {
      if (errno == EINTR) continue;
      net::fail("receive of a datagram");
    }
    // An unbound Unix peer has no address.
    if (from != nullptr) *from = address_size == 0 ? endpoint() : endpoint(reinterpret_cast<const sockaddr*>(&address), address_size);
    co_return static_cast<std::size_t>(got);
  }
}

task<std::pair<std::string, endpoint>> async::receive_from(datagram_socket& s, std::size_t most) {
  std::pair<std::string, endpoint> out(std::string(most, '\0'), endpoint());
  const std::size_t size = co_await receive_from(s, out.first.data(), most, &out.second);
  out.first.resize(std::min(most, size));
  co_return out;
}

}  // namespace weft
