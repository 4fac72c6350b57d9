// Reading, showing and comparing socket addresses. Parses numbers only: nothing here may look up a name or park.
#include "weft/endpoint.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace weft {

namespace {

constexpr std::size_t path_offset = offsetof(sockaddr_un, sun_path);

template <class T>
const T& as(const sockaddr_storage& s) noexcept {
  return reinterpret_cast<const T&>(s);
}

}  // namespace

endpoint::endpoint(const sockaddr* address, socklen_t size) : size_(size) {
  if (size < sizeof(sa_family_t) || size > sizeof storage_)
    throw std::invalid_argument("weft::endpoint: an address of " + std::to_string(size) + " bytes");
  std::memcpy(&storage_, address, size);
}

endpoint endpoint::ip(std::string_view address, std::uint16_t port) {
  const std::string text(address);
  sockaddr_in four{};
  if (inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    return endpoint(reinterpret_cast<const sockaddr*>(&four), sizeof four);
  }
  sockaddr_in6 six{};
  const std::size_t percent = text.find('%');
  if (inet_pton(AF_INET6, text.substr(0, percent).c_str(), &six.sin6_addr) != 1)
    throw std::invalid_argument("weft::endpoint::ip: not a numeric address: " + text);
  if (percent != text.npos) {
    const std::string scope = text.substr(percent + 1);
    six.sin6_scope_id = if_nametoindex(scope.c_str());
    if (six.sin6_scope_id == 0) six.sin6_scope_id = static_cast<std::uint32_t>(std::strtoul(scope.c_str(), nullptr, 10));
    if (six.sin6_scope_id == 0) throw std::invalid_argument("weft::endpoint::ip: no such interface: " + text);
  }
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  return endpoint(reinterpret_cast<const sockaddr*>(&six), sizeof six);
}

endpoint endpoint::unix_path(std::string_view path) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  // A path in the file system ends with a NUL, an abstract name is exactly as long as it is.
  const bool abstract = !path.empty() && path[0] == '@';
  if (path.empty() || path.size() + (abstract ? 0 : 1) > sizeof un.sun_path)
    throw std::invalid_argument("weft::endpoint::unix_path: empty or longer than a Unix socket's path may be: " + std::string(path));
  std::memcpy(un.sun_path, path.data(), path.size());
  if (abstract) un.sun_path[0] = '\0';
  return endpoint(reinterpret_cast<const sockaddr*>(&un),
                  static_cast<socklen_t>(path_offset + path.size() + (abstract ? 0 : 1)));
}

std::uint16_t endpoint::port() const noexcept {
  if (family() == AF_INET) return ntohs(as<sockaddr_in>(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(as<sockaddr_in6>(storage_).sin6_port);
  return 0;
}

std::string endpoint::address() const {
  char text[INET6_ADDRSTRLEN];
  if (family() == AF_INET) return inet_ntop(AF_INET, &as<sockaddr_in>(storage_).sin_addr, text, sizeof text);
  if (family() == AF_INET6) {
    const auto& six = as<sockaddr_in6>(storage_);
    std::string out = inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    if (six.sin6_scope_id != 0) out += "%" + std::to_string(six.sin6_scope_id);
    return out;
  }
  if (family() == AF_UNIX && size_ > path_offset) {
    const auto& un = as<sockaddr_un>(storage_);
    std::string path(un.sun_path, size_ - path_offset);
    if (path[0] == '\0')
      path[0] = '@';
    else
      path.resize(std::strlen(path.c_str()));
    return path;
  }
  return {};
}

std::string endpoint::to_string() const {
  switch (family()) {
  case AF_INET: return address() + ":" + std::to_string(port());
  case AF_INET6: return "[" + address() + "]:" + std::to_string(port());
  case AF_UNIX: return "unix:" + address();
  case AF_UNSPEC: return "(no address)";
  }
  return "(address family " + std::to_string(family()) + ")";
}

bool endpoint::equals(const endpoint& other) const noexcept {
  if (family() != other.family()) return false;
  if (family() == AF_INET) {
    const auto &a = as<sockaddr_in>(storage_), &b = as<sockaddr_in>(other.storage_);
    return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
  }
  if (family() == AF_INET6) {
    const auto &a = as<sockaddr_in6>(storage_), &b = as<sockaddr_in6>(other.storage_);
    return a.sin6_port == b.sin6_port && a.sin6_scope_id == b.sin6_scope_id &&
           std::memcmp(&a.sin6_addr, &b.sin6_addr, sizeof a.sin6_addr) == 0;
  }
  if (family() == AF_UNIX) return address() == other.address();
  return size_ == other.size_ && std::memcmp(&storage_, &other.storage_, size_) == 0;
}

}  // namespace weft
