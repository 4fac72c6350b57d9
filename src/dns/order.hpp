// RFC 6724 destination address selection, as getaddrinfo applies it: what can be reached from here comes first.
#pragma once

#include <vector>

#include "dns/address.hpp"
#include "dns/gai_conf.hpp"

namespace weft::dns {

// An address and the source address the kernel would use for it.
struct candidate {
  ip_address to;
  ip_address from;
  bool reachable = false;
};

// Sorts by the rules; equal ones keep their order.
void order_candidates(std::vector<candidate>& candidates, const policies& by);

// The same for plain addresses: asks the kernel for the sources (connected datagram sockets; nothing is sent).
void order_addresses(std::vector<ip_address>& addresses);

}  // namespace weft::dns
