// From an address to its names: the PTR records of in-addr.arpa and ip6.arpa.
#pragma once

#include <string>

#include "dns/search.hpp"

namespace weft::dns {

// The name under which an address's PTR records stand.
std::string reverse_name(const ip_address& address);

// The first name is canonical, further ones are aliases; `addresses` is the one that was asked for. An IPv4 address mapped into IPv6
// is asked for, and given back, as IPv4 (nss_dns does so). Parks.
found_host search_reverse(resolver& r, const ip_address& address);

}  // namespace weft::dns
