// Host names that are addresses already.
#pragma once

#include <optional>

#include "dns/address.hpp"

namespace weft::dns {

// Reads `text` as glibc's getaddrinfo does: inet_aton's forms of IPv4 ("127.1" too), IPv6 with an optional %scope. Nothing when it
// is no address. `error` is EAI_ADDRFAMILY or EAI_NONAME when it is one that `family` and `flags` do not allow, else 0.
std::optional<ip_address> numeric_host(const char* text, int family, int flags, int& error);

}  // namespace weft::dns
