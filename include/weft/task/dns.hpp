// co_await of name look-ups (weft/dns.hpp). The resolver's own fibers do the work; look-ups of several tasks go on at once.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "weft/dns.hpp"
#include "weft/task/in_fiber.hpp"

namespace weft::async {

// 0 or an EAI_ code. What the pointers refer to must live until the co_await is over.
inline auto getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  return in_fiber([=] { return weft::getaddrinfo(node, service, hints, result); });
}
inline auto getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service,
                        socklen_t service_size, int flags) {
  return in_fiber([=] { return weft::getnameinfo(address, size, host, host_size, service, service_size, flags); });
}
// The stream-socket addresses of a host. Throws resolve_error, cancelled.
inline auto resolve(std::string host, std::string service) {
  return in_fiber([host = std::move(host), service = std::move(service)] { return weft::resolve(host, service); });
}
inline auto resolve(std::string host, std::uint16_t port) {
  return in_fiber([host = std::move(host), port] { return weft::resolve(host, port); });
}

}  // namespace weft::async
