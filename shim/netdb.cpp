// The resolver's functions as interposed symbols: one line each onto Weft's. What freeaddrinfo and free() free stays libc's;
// getaddrinfo_a has threads of its own and is left alone.
#include <netdb.h>
#include <sys/socket.h>

#include "dns/getaddrinfo.hpp"
#include "dns/gethostby.hpp"
#include "dns/getnameinfo.hpp"
#include "wrappers.hpp"

namespace weft::shim {

using dns::weft_dns_getaddrinfo;
using dns::weft_dns_getnameinfo;

// Declared first: a symbol's own name can be given to a declaration only.
#define NETDB(result, name, parameters, arguments)  \
  result call_##name parameters WEFT_SYMBOL(name); \
  result call_##name parameters { return weft_dns_##name arguments; }

NETDB(int, getaddrinfo, (const char* node, const char* service, const addrinfo* hints, addrinfo** result), (node, service, hints, result))
NETDB(int, getnameinfo,
      (const sockaddr* a, socklen_t size, char* host, socklen_t host_size, char* service, socklen_t service_size, int flags),
      (a, size, host, host_size, service, service_size, flags))
NETDB(int, gethostbyname2_r,
      (const char* name, int family, hostent* entry, char* buffer, size_t size, hostent** result, int* error),
      (name, family, entry, buffer, size, result, error))
NETDB(int, gethostbyaddr_r,
      (const void* a, socklen_t length, int family, hostent* entry, char* buffer, size_t size, hostent** result, int* error),
      (a, length, family, entry, buffer, size, result, error))
NETDB(hostent*, gethostbyname2, (const char* name, int family), (name, family))
NETDB(hostent*, gethostbyaddr, (const void* a, socklen_t length, int family), (a, length, family))

// IPv4, whatever RES_USE_INET6 once said (glibc 2.25 dropped it).
int call_gethostbyname_r(const char* name, hostent* entry, char* buffer, size_t size, hostent** result, int* error)
    WEFT_SYMBOL(gethostbyname_r);
int call_gethostbyname_r(const char* name, hostent* entry, char* buffer, size_t size, hostent** result, int* error) {
  return weft_dns_gethostbyname2_r(name, AF_INET, entry, buffer, size, result, error);
}
hostent* call_gethostbyname(const char* name) WEFT_SYMBOL(gethostbyname);
hostent* call_gethostbyname(const char* name) { return weft_dns_gethostbyname2(name, AF_INET); }

}  // namespace weft::shim
