// From a name as a person gives it to addresses: the search list of resolv.conf, both address families at once.
#pragma once

#include <string>
#include <vector>

#include "dns/address.hpp"
#include "dns/resolver.hpp"
#include "weft/detail/runtime.hpp"

namespace weft::dns {

struct found_host {
  verdict is = verdict::not_found;
  std::string canonical;             // what aliases lead to
  std::vector<std::string> aliases;  // other names, the one that was asked for among them when it is an alias
  std::vector<ip_address> addresses;
  detail::wake ended = detail::wake::ready;  // anything else: the wait was cut short, the rest says nothing
};

// Looks for addresses of `family` (AF_INET, AF_INET6; AF_UNSPEC: both, asked at once, IPv4 first). Parks.
found_host search_dns(resolver& r, const std::string& name, int family);

}  // namespace weft::dns
