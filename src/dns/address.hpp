// An IP address as the parts of the resolver hand it to each other: no port, no socket type.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace weft::dns {

struct ip_address {
  int family = AF_UNSPEC;
  std::uint32_t scope = 0;               // interface index of a link-local IPv6 address
  std::array<unsigned char, 16> bytes{};  // network order; IPv4 uses the first four

  static ip_address v4(const void* four) noexcept {
    ip_address a{AF_INET, 0, {}};
    std::memcpy(a.bytes.data(), four, 4);
    return a;
  }
  static ip_address v6(const void* sixteen, std::uint32_t scope = 0) noexcept {
    ip_address a{AF_INET6, scope, {}};
    std::memcpy(a.bytes.data(), sixteen, 16);
    return a;
  }
  in6_addr as_v6() const noexcept {
    in6_addr in;
    std::memcpy(&in, bytes.data(), sizeof in);
    return in;
  }
  // ::ffff:a.b.c.d of an IPv4 address.
  ip_address mapped() const noexcept {
    ip_address a{AF_INET6, 0, {}};
    a.bytes[10] = a.bytes[11] = 0xff;
    std::memcpy(a.bytes.data() + 12, bytes.data(), 4);
    return a;
  }
  // The IPv4 address inside ::ffff:a.b.c.d.
  ip_address unmapped() const noexcept { return v4(bytes.data() + 12); }
  friend bool operator==(const ip_address&, const ip_address&) = default;
};

}  // namespace weft::dns
