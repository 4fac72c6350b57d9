#include "dns/getaddrinfo.hpp"

#include <cerrno>
#include <exception>

#include "core/no_tick.hpp"
#include "dns/address_list.hpp"
#include "dns/choice.hpp"
#include "dns/find.hpp"
#include "dns/interfaces.hpp"
#include "dns/libc_resolver.hpp"
#include "dns/numeric.hpp"
#include "dns/order.hpp"
#include "weft/dns.hpp"

namespace weft::dns {

namespace {

constexpr int idn_flags = AI_IDN | AI_CANONIDN | 0x0300;  // with the two deprecated AI_IDN_* bits, which glibc still takes
constexpr int known_flags = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_ADDRCONFIG | AI_V4MAPPED | AI_NUMERICSERV | AI_ALL |
                            idn_flags;

int error_of(verdict v) {
  switch (v) {
  case verdict::ok: return 0;
  case verdict::no_data: return EAI_NODATA;
  case verdict::not_found:
  case verdict::unusable:
  case verdict::bad_name: return EAI_NONAME;
  case verdict::refused:
  case verdict::no_answer: return EAI_AGAIN;
  case verdict::no_memory: return EAI_MEMORY;
  }
  return EAI_FAIL;
}

// One source's answer, IPv6 asked for with AI_V4MAPPED and AI_ALL included.
template <class Find>
found_host with_mapped(int family, int flags, Find find) {
  found_host six = find(family);
  if (family != AF_INET6 || (flags & AI_V4MAPPED) == 0 || six.ended != detail::wake::ready) return six;
  if (six.is == verdict::ok && (flags & AI_ALL) == 0) return six;
  const found_host four = find(AF_INET);
  if (four.ended != detail::wake::ready) return four;
  for (const ip_address& a : four.addresses) six.addresses.push_back(a.mapped());
  if (six.canonical.empty()) six.canonical = four.canonical;
  // "No such name" needs both to say so.
  if (four.is == verdict::ok || six.is == verdict::not_found) six.is = four.is;
  if (!six.addresses.empty()) six.is = verdict::ok;
  return six;
}

found_host find_by_name(resolver& r, const std::vector<step>& order, const char* name, int family, int flags) {
  return ask_in_order(order, [&](source s) {
    return with_mapped(family, flags, [&](int f) { return s == source::files ? search_files(name, f) : search_dns(r, name, f); });
  });
}

bool ascii(const char* text) {
  for (; *text != '\0'; ++text)
    if (static_cast<unsigned char>(*text) >= 0x80) return false;
  return true;
}

std::vector<ip_address> no_host(int family, int flags) {
  std::vector<ip_address> addresses;
  const bool passive = (flags & AI_PASSIVE) != 0;
  const in_addr four{htonl(passive ? INADDR_ANY : INADDR_LOOPBACK)};
  if (family != AF_INET) addresses.push_back(ip_address::v6(passive ? &in6addr_any : &in6addr_loopback));
  if (family != AF_INET6) addresses.push_back(ip_address::v4(&four));
  return addresses;
}

const char* named(const char* text) { return text != nullptr && text[0] == '*' && text[1] == '\0' ? nullptr : text; }

}  // namespace

int look_up(const char* node, const char* service, const addrinfo* hints, addrinfo** result, detail::wake& ended) {
  ended = detail::wake::ready;
  const char* host = named(node);
  const char* wanted_service = named(service);
  if (host == nullptr && wanted_service == nullptr) return EAI_NONAME;
  addrinfo wanted{};
  wanted.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG;
  if (hints != nullptr) wanted = *hints;
  const int flags = wanted.ai_flags;
  if ((flags & ~known_flags) != 0) return EAI_BADFLAGS;
  if ((flags & AI_CANONNAME) != 0 && host == nullptr) return EAI_BADFLAGS;
  int family = wanted.ai_family;
  if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6) return EAI_FAMILY;
  if ((flags & AI_ADDRCONFIG) != 0) {
    const families_seen seen = families_configured();
    if ((family == AF_INET && !seen.v4) || (family == AF_INET6 && !seen.v6)) return EAI_NONAME;
    if (family == AF_UNSPEC && seen.v4 != seen.v6) family = seen.v4 ? AF_INET : AF_INET6;
  }
  if (wanted_service != nullptr && *wanted_service == '\0') wanted_service = nullptr;
  std::vector<socket_kind> kinds;
  if (const int error = sockets_wanted(wanted_service, wanted, kinds); error != 0) return error;

  std::vector<ip_address> addresses;
  std::string canonical;
  if (host == nullptr) {
    addresses = no_host(family, flags);
  } else {
    int error;
    if (const auto number = numeric_host(host, family, flags, error)) {
      if (error != 0) return error;
      addresses.push_back(*number);
      canonical = host;
    } else {
      if ((flags & AI_NUMERICHOST) != 0) return EAI_NONAME;
      const auto order = order_of_sources();
      resolver* r = order ? resolver::of(detail::current_hub()) : nullptr;
      // Internationalised names need libidn2's tables, other sources their modules: both are libc's.
      if (r == nullptr || ((flags & idn_flags) != 0 && !ascii(host))) return libc_getaddrinfo(node, service, hints, result, ended);
      found_host found = find_by_name(*r, *order, host, family, flags);
      ended = found.ended;
      if (ended != detail::wake::ready) return EAI_AGAIN;
      // libc asks for IPv4 without a canonical name by another function, which knows "no data" only.
      if (found.is == verdict::unusable && family == AF_INET && (flags & AI_CANONNAME) == 0) return EAI_NODATA;
      if (found.is != verdict::ok) return error_of(found.is);
      addresses = std::move(found.addresses);
      canonical = found.canonical.empty() ? host : found.canonical;
    }
  }
  order_addresses(addresses);
  if ((flags & AI_CANONNAME) == 0) canonical.clear();
  *result = make_address_list(addresses, kinds, flags, canonical);
  return *result == nullptr ? EAI_MEMORY : 0;
}

int weft_dns_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  const core::no_tick steady;
  try {
    detail::wake ended;
    const int error = weft_answers() ? look_up(node, service, hints, result, ended)
                                     : libc_getaddrinfo(node, service, hints, result, ended);
    if (ended == detail::wake::ready) return error;
    errno = ended == detail::wake::interrupted ? EINTR : ECANCELED;
    return EAI_SYSTEM;
  } catch (const std::exception&) {
    return EAI_MEMORY;  // bad_alloc, or no stack for the resolver's fiber; a forced unwind (pthread_exit) passes
  }
}

}  // namespace weft::dns

namespace weft {

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  detail::wake ended;
  const int error = dns::look_up(node, service, hints, result, ended);
  if (ended != detail::wake::ready) detail::throw_if_ended(detail::current_hub(), ended, "getaddrinfo");
  return error;
}

}  // namespace weft
