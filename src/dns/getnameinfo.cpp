#include "dns/getnameinfo.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <optional>
#include <string>

#include "core/no_tick.hpp"
#include "dns/choice.hpp"
#include "dns/find.hpp"
#include "dns/libc_resolver.hpp"
#include "weft/dns.hpp"

namespace weft::dns {

namespace {

// The address to look up; nothing when libc's own code would look up none (which then says what is wrong, too).
std::optional<ip_address> address_in(const sockaddr* a, socklen_t size) {
  if (a == nullptr || size < sizeof(sa_family_t)) return std::nullopt;
  if (a->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in;
    std::memcpy(&in, a, sizeof in);
    return ip_address::v4(&in.sin_addr);
  }
  if (a->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in;
    std::memcpy(&in, a, sizeof in);
    return ip_address::v6(&in.sin6_addr);
  }
  return std::nullopt;
}

std::string after_dot(const std::string& name) {
  const std::size_t dot = name.find('.');
  return dot == name.npos ? std::string() : name.substr(dot + 1);
}

// The domain that NI_NOFQDN strips: where glibc looks for it, in its order. Parks.
std::string own_domain(resolver& r, const std::vector<step>& order, detail::wake& ended) {
  found_host found = find_name(r, order, "localhost", AF_INET);
  ended = found.ended;
  std::string domain = after_dot(found.canonical);
  char host[256] = {};
  if (ended != detail::wake::ready || !domain.empty() || gethostname(host, sizeof host - 1) != 0) return domain;
  domain = after_dot(host);
  if (!domain.empty()) return domain;
  found = find_name(r, order, host, AF_INET);
  ended = found.ended;
  domain = after_dot(found.canonical);
  if (ended != detail::wake::ready || !domain.empty()) return domain;
  const in_addr loopback{htonl(INADDR_LOOPBACK)};
  found = find_names(r, order, ip_address::v4(&loopback));
  ended = found.ended;
  return after_dot(found.canonical);
}

void strip_domain(std::string& name, const std::string& domain) {
  if (domain.empty()) return;
  const std::size_t at = name.find(domain);
  if (at != name.npos && at > 0 && name[at - 1] == '.') name.resize(at - 1);
}

}  // namespace

int look_up_name(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service, socklen_t service_size,
                 int flags, detail::wake& ended) {
  ended = detail::wake::ready;
  const auto libc = [&](char* to_host, socklen_t to_host_size, char* to_service, socklen_t to_service_size, int with) {
    return libc_getnameinfo(address, size, to_host, to_host_size, to_service, to_service_size, with, ended);
  };
  const int known = NI_NUMERICHOST | NI_NUMERICSERV | NI_NOFQDN | NI_NAMEREQD | NI_DGRAM;  // not NI_IDN, which needs libidn2
  const auto wanted = address_in(address, size);
  const auto order = order_of_sources();
  const bool by_name = host != nullptr && host_size > 0 && (flags & NI_NUMERICHOST) == 0 && (flags & ~known) == 0;
  resolver* r = by_name && wanted && order ? resolver::of(detail::current_hub()) : nullptr;
  if (r == nullptr) return libc(host, host_size, service, service_size, flags);

  found_host found;
  // libc asks nobody for the unspecified address (gethostbyaddr_r).
  if (*wanted != ip_address::v6(&in6addr_any)) found = find_names(*r, *order, *wanted);
  if ((ended = found.ended) != detail::wake::ready) return EAI_AGAIN;
  if (found.is == verdict::ok) {
    if ((flags & NI_NOFQDN) != 0) {
      const std::string domain = own_domain(*r, *order, ended);
      if (ended != detail::wake::ready) return EAI_AGAIN;
      strip_domain(found.canonical, domain);
    }
    if (found.canonical.size() + 1 > host_size) return EAI_OVERFLOW;
    std::memcpy(host, found.canonical.c_str(), found.canonical.size() + 1);
  } else if (found.is == verdict::refused || found.is == verdict::no_answer) {
    return EAI_AGAIN;
  } else if (found.is == verdict::no_memory) {
    errno = ENOMEM;
    return EAI_SYSTEM;
  } else if ((flags & NI_NAMEREQD) != 0) {
    return EAI_NONAME;
  } else if (const int error = libc(host, host_size, nullptr, 0, flags | NI_NUMERICHOST); error != 0) {
    return error;
  }
  if (service == nullptr || service_size == 0) return 0;
  return libc(nullptr, 0, service, service_size, flags | NI_NUMERICHOST);
}

int weft_dns_getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service,
                         socklen_t service_size, int flags) {
  const core::no_tick steady;
  try {
    detail::wake ended;
    const int error = weft_answers() ? look_up_name(address, size, host, host_size, service, service_size, flags, ended)
                                     : libc_getnameinfo(address, size, host, host_size, service, service_size, flags, ended);
    if (ended == detail::wake::ready) return error;
    errno = ended == detail::wake::interrupted ? EINTR : ECANCELED;
    return EAI_SYSTEM;
  } catch (const std::exception&) {
    return EAI_MEMORY;
  }
}

}  // namespace weft::dns

namespace weft {

int getnameinfo(const sockaddr* address, socklen_t size, char* host, socklen_t host_size, char* service, socklen_t service_size,
                int flags) {
  detail::wake ended;
  const int error = dns::look_up_name(address, size, host, host_size, service, service_size, flags, ended);
  if (ended != detail::wake::ready) detail::throw_if_ended(detail::current_hub(), ended, "getnameinfo");
  return error;
}

}  // namespace weft
