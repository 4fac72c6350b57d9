#include "dns/order.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <bit>

#include "sys/syscall.hpp"

namespace weft::dns {

namespace {

// Every address as IPv6, IPv4 mapped: one table serves both.
in6_addr uniform(const ip_address& a) { return a.family == AF_INET ? a.mapped().as_v6() : a.as_v6(); }

int scope_of(const ip_address& a, const policies& by) {
  if (a.family == AF_INET) return policies::value_of(uniform(a), by.scopes);
  const in6_addr in = a.as_v6();
  if (IN6_IS_ADDR_MULTICAST(&in)) return in.s6_addr[1] & 0xf;
  if (IN6_IS_ADDR_LINKLOCAL(&in) || IN6_IS_ADDR_LOOPBACK(&in)) return 2;
  if (IN6_IS_ADDR_SITELOCAL(&in)) return 5;
  return 14;
}

unsigned common_bits(const ip_address& a, const ip_address& b) {
  const unsigned size = a.family == AF_INET ? 4 : 16;
  for (unsigned i = 0; i < size; ++i)
    if (const auto differ = static_cast<unsigned char>(a.bytes[i] ^ b.bytes[i]); differ != 0)
      return i * 8 + static_cast<unsigned>(std::countl_zero(differ));
  return size * 8;
}

bool before(const candidate& a, const candidate& b, const policies& by) {
  // Rule 1: avoid unusable destinations.
  if (a.reachable != b.reachable) return a.reachable;
  const in6_addr to_a = uniform(a.to), to_b = uniform(b.to);
  const int scope_a = scope_of(a.to, by), scope_b = scope_of(b.to, by);
  if (a.reachable) {
    // Rule 2: prefer a source of the same scope. Rule 5: of the same label.
    const bool scope_fits_a = scope_a == scope_of(a.from, by), scope_fits_b = scope_b == scope_of(b.from, by);
    if (scope_fits_a != scope_fits_b) return scope_fits_a;
    const bool label_fits_a = policies::value_of(to_a, by.labels) == policies::value_of(uniform(a.from), by.labels);
    const bool label_fits_b = policies::value_of(to_b, by.labels) == policies::value_of(uniform(b.from), by.labels);
    if (label_fits_a != label_fits_b) return label_fits_a;
  }
  // Rule 6: higher precedence. Rule 8: smaller scope.
  const int rank_a = policies::value_of(to_a, by.precedences), rank_b = policies::value_of(to_b, by.precedences);
  if (rank_a != rank_b) return rank_a > rank_b;
  if (scope_a != scope_b) return scope_a < scope_b;
  // Rule 9: longest prefix in common with the source; among IPv4 addresses this would undo the server's rotation.
  if (a.reachable && a.to.family == AF_INET6 && b.to.family == AF_INET6) {
    const unsigned common_a = common_bits(a.to, a.from), common_b = common_bits(b.to, b.from);
    if (common_a != common_b) return common_a > common_b;
  }
  return false;
}

// What getsockname says after a connect that sends nothing.
candidate with_source(const ip_address& to) {
  candidate c{to, {}, false};
  const long fd = sys::raw(SYS_socket, to.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  if (fd < 0) return c;
  sockaddr_in6 six{};
  sockaddr_in four{};
  void* address = &six;
  unsigned size = sizeof six;
  if (to.family == AF_INET) {
    four.sin_family = AF_INET;
    four.sin_port = htons(9);
    std::memcpy(&four.sin_addr, to.bytes.data(), 4);
    address = &four;
    size = sizeof four;
  } else {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(9);
    six.sin6_addr = to.as_v6();
    six.sin6_scope_id = to.scope;
  }
  if (sys::raw(SYS_connect, fd, address, size) == 0 && sys::raw(SYS_getsockname, fd, address, &size) == 0) {
    c.reachable = true;
    c.from = to.family == AF_INET ? ip_address::v4(&four.sin_addr) : ip_address::v6(&six.sin6_addr, six.sin6_scope_id);
  }
  sys::raw(SYS_close, fd);
  return c;
}

}  // namespace

void order_candidates(std::vector<candidate>& candidates, const policies& by) {
  std::stable_sort(candidates.begin(), candidates.end(), [&](const candidate& a, const candidate& b) { return before(a, b, by); });
}

void order_addresses(std::vector<ip_address>& addresses) {
  if (addresses.size() < 2) return;
  std::vector<candidate> candidates;
  for (const ip_address& a : addresses) candidates.push_back(with_source(a));
  order_candidates(candidates, system_policies());
  for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i] = candidates[i].to;
}

}  // namespace weft::dns
