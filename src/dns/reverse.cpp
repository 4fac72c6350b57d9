#include "dns/reverse.hpp"

#include <array>

#include "dns/answer.hpp"

namespace weft::dns {

namespace {

ip_address plain(const ip_address& address) {
  const in6_addr six = address.as_v6();
  return address.family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six) ? address.unmapped() : address;
}

}  // namespace

std::string reverse_name(const ip_address& address) {
  std::string name;
  if (address.family == AF_INET) {
    for (int i = 3; i >= 0; --i) name += std::to_string(address.bytes[static_cast<std::size_t>(i)]) + '.';
    return name + "in-addr.arpa";
  }
  for (auto byte = address.bytes.rbegin(); byte != address.bytes.rend(); ++byte)
    for (const unsigned nibble : {*byte & 15u, static_cast<unsigned>(*byte) >> 4}) (name += "0123456789abcdef"[nibble]) += '.';
  return name + "ip6.arpa";
}

found_host search_reverse(resolver& r, const ip_address& address) {
  found_host out;
  const ip_address asked = plain(address);
  std::vector<reply> replies;
  const std::array<int, 1> types{type_ptr};
  out.ended = r.ask(reverse_name(asked), types, replies);
  if (out.ended != detail::wake::ready) return out;
  out.is = replies[0].is;
  if (out.is != verdict::ok) return out;
  answer a = read_answer(r.library(), replies[0].message, type_ptr);
  if (a.damaged || a.data.empty()) {
    out.is = verdict::unusable;
    return out;
  }
  out.canonical = std::move(a.data.front());
  out.aliases.assign(a.data.begin() + 1, a.data.end());
  out.addresses.push_back(asked);
  return out;
}

}  // namespace weft::dns
