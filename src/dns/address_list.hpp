// The list that getaddrinfo returns, allocated so that libc's freeaddrinfo frees it.
#pragma once

#include <netdb.h>

#include <string>
#include <vector>

#include "dns/address.hpp"
#include "dns/sockets_wanted.hpp"

namespace weft::dns {

// Every address with every kind of socket; `canonical` (when not empty) goes to the first. Null without memory.
addrinfo* make_address_list(const std::vector<ip_address>& addresses, const std::vector<socket_kind>& kinds, int flags,
                            const std::string& canonical) noexcept;

}  // namespace weft::dns
