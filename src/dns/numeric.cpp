#include "dns/numeric.hpp"

#include <net/if.h>
#include <netdb.h>

#include <cctype>
#include <cstdlib>
#include <string>

namespace weft::dns {

namespace {

// "%eth0" of a link-local address, "%3" of any.
bool read_scope(const char* text, ip_address& a) {
  const in6_addr in = a.as_v6();
  if (IN6_IS_ADDR_LINKLOCAL(&in) || IN6_IS_ADDR_MC_LINKLOCAL(&in)) {
    a.scope = if_nametoindex(text);
    if (a.scope != 0) return true;
  }
  // Digits only: strtoul would take a sign and blanks.
  if (std::isdigit(static_cast<unsigned char>(*text)) == 0) return false;
  char* end;
  const unsigned long number = std::strtoul(text, &end, 10);
  a.scope = static_cast<std::uint32_t>(number);
  return *end == '\0' && number <= 0xffffffffu;
}

}  // namespace

std::optional<ip_address> numeric_host(const char* text, int family, int flags, int& error) {
  error = 0;
  in_addr four;
  // inet_aton ignores what follows a blank; getaddrinfo does not.
  if (std::string(text).find_first_of(" \t\n\v\f\r") == std::string::npos && inet_aton(text, &four) != 0) {
    const ip_address a = ip_address::v4(&four);
    if (family == AF_UNSPEC || family == AF_INET) return a;
    if (family == AF_INET6 && (flags & AI_V4MAPPED) != 0) return a.mapped();
    error = EAI_ADDRFAMILY;
    return a;
  }
  const std::string whole(text);
  const std::size_t percent = whole.find('%');
  in6_addr sixteen;
  if (inet_pton(AF_INET6, whole.substr(0, percent).c_str(), &sixteen) != 1) return std::nullopt;
  ip_address a = ip_address::v6(&sixteen);
  if (family == AF_INET) {
    if (IN6_IS_ADDR_V4MAPPED(&sixteen))
      a = a.unmapped();
    else
      error = EAI_ADDRFAMILY;
  }
  if (error == 0 && percent != whole.npos && !read_scope(text + percent + 1, a)) error = EAI_NONAME;
  return a;
}

}  // namespace weft::dns
