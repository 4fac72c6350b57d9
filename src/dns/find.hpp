// A host by its name or address, through the sources of nsswitch.conf in their order. What getaddrinfo, getnameinfo and the gethostby
// family have in common.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dns/nsswitch.hpp"
#include "dns/search.hpp"

namespace weft::dns {

// The order in which Weft is to ask; nothing when libc must answer instead (other sources, WEFT_RESOLVER=libc).
std::optional<std::vector<step>> order_of_sources();

// Asks one source after the other until an answer, or an action of nsswitch.conf, ends the search. Parks. `failures_count`: servers
// that fail are "unavailable" to the actions, not "not found".
found_host ask_in_order(const std::vector<step>& order, const std::function<found_host(source)>& ask, bool failures_count = true);

// Addresses of `family` under a name that is no number, aliases included (gethostbyname's answer, before AI_ flags).
found_host find_name(resolver& r, const std::vector<step>& order, const std::string& name, int family);
// The names of an address. Parks. libc's "dns" source calls every failure here "not found" (nss_dns: gethostbyaddr2_r).
found_host find_names(resolver& r, const std::vector<step>& order, const ip_address& address);

// The hosts file's answer.
found_host search_files(const std::string& name, int family);

}  // namespace weft::dns
