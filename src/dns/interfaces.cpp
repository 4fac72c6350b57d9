#include "dns/interfaces.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

namespace weft::dns {

families_seen families_configured() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {true, true};
  families_seen seen;
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr) continue;
    if (i->ifa_addr->sa_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(i->ifa_addr);
      // glibc leaves out 127.0.0.1 alone, not the whole net (sysdeps/unix/sysv/linux/check_pf.c).
      if (in->sin_addr.s_addr != htonl(INADDR_LOOPBACK)) seen.v4 = true;
    } else if (i->ifa_addr->sa_family == AF_INET6) {
      const auto* in = reinterpret_cast<const sockaddr_in6*>(i->ifa_addr);
      if (!IN6_IS_ADDR_LOOPBACK(&in->sin6_addr)) seen.v6 = true;
    }
  }
  freeifaddrs(list);
  return seen;
}

}  // namespace weft::dns
