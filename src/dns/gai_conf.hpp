// The policy tables of RFC 6724 that sort addresses: glibc's defaults, or what gai.conf(5) says.
#pragma once

#include <netinet/in.h>

#include <string_view>
#include <vector>

namespace weft::dns {

struct policy {
  in6_addr prefix;
  unsigned bits;
  int value;

  bool matches(const in6_addr& a) const noexcept;
};

// Longest prefixes first. IPv4 addresses stand as mapped into IPv6.
struct policies {
  std::vector<policy> labels, precedences;
  std::vector<policy> scopes;  // of IPv4 addresses; RFC 4007's numbers: 2 link, 5 site, 14 global

  static int value_of(const in6_addr& a, const std::vector<policy>& table) noexcept;
};

// The tables after the text of a gai.conf: one that it has no line for is the default one.
policies parse_gai_conf(std::string_view text);

// The system's, read once: glibc, too, reads the file again only with `reload yes`, which is ignored here.
const policies& system_policies();

}  // namespace weft::dns
