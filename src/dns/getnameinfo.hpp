// getnameinfo with glibc's semantics: host names from Weft's resolver, everything else (numbers, services, Unix sockets) from libc.
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include "weft/detail/runtime.hpp"

namespace weft::dns {

// As getnameinfo(3). `ended`: as look_up's (getaddrinfo.hpp). Throws bad_alloc, out_of_stacks.
int look_up_name(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service, socklen_t service_size,
                 int flags, detail::wake& ended);

// What the interposed symbol calls: throws nothing but a forced unwind. A cancelled wait is EAI_SYSTEM with errno ECANCELED.
extern "C" WEFT_API int weft_dns_getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service,
                                             socklen_t service_size, int flags);

}  // namespace weft::dns
