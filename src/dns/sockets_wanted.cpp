#include "dns/sockets_wanted.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

namespace weft::dns {

namespace {

struct kind {
  int type, protocol;
  const char* name;      // as /etc/services has it
  bool by_default;       // given when the hints say nothing
  bool has_services;     // raw sockets have none
  bool takes_any;        // the protocol is the caller's
};

// getaddrinfo(3) names no order; this is the one of glibc's table.
constexpr kind kinds_known[] = {
  {SOCK_STREAM, IPPROTO_TCP, "tcp", true, true, false},
  {SOCK_DGRAM, IPPROTO_UDP, "udp", true, true, false},
  {SOCK_DCCP, IPPROTO_DCCP, "dccp", false, true, false},
  {SOCK_DGRAM, IPPROTO_UDPLITE, "udplite", false, true, false},
  {SOCK_STREAM, IPPROTO_SCTP, "sctp", false, true, false},
  {SOCK_SEQPACKET, IPPROTO_SCTP, "sctp", false, true, false},
  {SOCK_RAW, 0, "raw", true, false, true},
};

bool fits(const kind& k, const addrinfo& hints) {
  return (hints.ai_socktype == 0 || hints.ai_socktype == k.type) &&
         (hints.ai_protocol == 0 || k.takes_any || hints.ai_protocol == k.protocol);
}

std::optional<std::uint16_t> port_of(const char* service, const char* protocol) {
  std::vector<char> buffer(1024);
  for (;;) {
    servent entry, *found = nullptr;
    const int error = getservbyname_r(service, protocol, &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (error != 0 || found == nullptr) return std::nullopt;
    return static_cast<std::uint16_t>(found->s_port);
  }
}

}  // namespace

int sockets_wanted(const char* service, const addrinfo& hints, std::vector<socket_kind>& kinds) {
  std::uint16_t port = 0;
  bool named = false;
  if (service != nullptr) {
    char* end;
    const unsigned long number = std::strtoul(service, &end, 10);
    named = *end != '\0';
    if (named && (hints.ai_flags & AI_NUMERICSERV) != 0) return EAI_NONAME;
    // A number that glibc's int takes as negative is looked up as a name, and found nowhere.
    if (static_cast<int>(number) < 0) named = true;
    port = htons(static_cast<std::uint16_t>(number));
  }
  const bool any = hints.ai_socktype == 0 && hints.ai_protocol == 0;
  const kind* first = nullptr;
  if (!any) {
    for (const kind& k : kinds_known)
      if (first == nullptr && fits(k, hints)) first = &k;
    if (first == nullptr) return hints.ai_socktype != 0 ? EAI_SOCKTYPE : EAI_SERVICE;
    if (service != nullptr && !first->has_services) return EAI_SERVICE;
  }
  for (const kind& k : kinds_known) {
    if (any ? !(named ? k.has_services : k.by_default) : &k != first) continue;
    if (named) {
      const auto found = port_of(service, k.name);
      if (!found) continue;
      port = *found;
    }
    kinds.push_back({k.type, k.takes_any ? hints.ai_protocol : k.protocol, port});
  }
  return kinds.empty() ? EAI_SERVICE : 0;
}

}  // namespace weft::dns
