#include "dns/address_list.hpp"

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace weft::dns {

namespace {

// freeaddrinfo frees each node and its canonical name, and nothing else: the socket address lies behind its node.
struct node {
  addrinfo info;
  union {
    sockaddr_in four;
    sockaddr_in6 six;
  };
};

addrinfo* make_node(const ip_address& a, const socket_kind& kind, int flags) noexcept {
  void* memory = std::calloc(1, sizeof(node));
  if (memory == nullptr) return nullptr;
  node* n = static_cast<node*>(memory);
  static_assert(offsetof(node, info) == 0);
  n->info.ai_flags = flags;
  n->info.ai_family = a.family;
  n->info.ai_socktype = kind.type;
  n->info.ai_protocol = kind.protocol;
  if (a.family == AF_INET) {
    n->four.sin_family = AF_INET;
    n->four.sin_port = kind.port;
    std::memcpy(&n->four.sin_addr, a.bytes.data(), 4);
    n->info.ai_addrlen = sizeof(sockaddr_in);
  } else {
    n->six.sin6_family = AF_INET6;
    n->six.sin6_port = kind.port;
    n->six.sin6_addr = a.as_v6();
    n->six.sin6_scope_id = a.scope;
    n->info.ai_addrlen = sizeof(sockaddr_in6);
  }
  n->info.ai_addr = reinterpret_cast<sockaddr*>(&n->four);
  return &n->info;
}

}  // namespace

addrinfo* make_address_list(const std::vector<ip_address>& addresses, const std::vector<socket_kind>& kinds, int flags,
                            const std::string& canonical) noexcept {
  addrinfo* first = nullptr;
  addrinfo** end = &first;
  for (const ip_address& a : addresses) {
    for (const socket_kind& kind : kinds) {
      *end = make_node(a, kind, flags);
      const bool named = *end != nullptr && end == &first && !canonical.empty();
      if (named) (*end)->ai_canonname = strdup(canonical.c_str());
      if (*end == nullptr || (named && (*end)->ai_canonname == nullptr)) {
        if (first != nullptr) freeaddrinfo(first);
        return nullptr;
      }
      end = &(*end)->ai_next;
    }
  }
  return first;
}

}  // namespace weft::dns
