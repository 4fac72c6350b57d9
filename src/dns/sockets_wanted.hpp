// The socket side of getaddrinfo: which socket types, protocols and port the hints and the service name ask for.
#pragma once

#include <netdb.h>

#include <cstdint>
#include <vector>

namespace weft::dns {

struct socket_kind {
  int type;
  int protocol;
  std::uint16_t port;  // network order
};

// What every address is combined with, in glibc's order. 0, or EAI_SOCKTYPE, EAI_SERVICE, EAI_NONAME. `service` may be null;
// names are looked up by getservbyname_r (/etc/services).
int sockets_wanted(const char* service, const addrinfo& hints, std::vector<socket_kind>& kinds);

}  // namespace weft::dns
