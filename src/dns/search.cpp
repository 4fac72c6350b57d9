// The order in which names are tried and what counts as the answer follow glibc's res_search and nss_dns (resolv/res_query.c).
#include "dns/search.hpp"

#include <netdb.h>

#include <algorithm>
#include <array>
#include <optional>

namespace weft::dns {

namespace {

constexpr int type_a = 1, type_aaaa = 28;

// Letters, digits, '-', '_' and '.', not beginning with '-': for others libc has no answer either (res_hnok).
bool is_host_name(const std::string& name) {
  if (name.empty() || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

void take_addresses(const cares& library, reply& r, int type, found_host& into) {
  hostent* host = nullptr;
  const int size = static_cast<int>(r.message.size());
  const int status = type == type_a ? library.parse_a_reply(r.message.data(), size, &host, nullptr, nullptr)
                                    : library.parse_aaaa_reply(r.message.data(), size, &host, nullptr, nullptr);
  if (status != ARES_SUCCESS) {
    r.is = status == ARES_ENODATA ? verdict::no_data : status == ARES_ENOMEM ? verdict::no_memory : verdict::refused;
    return;
  }
  if (into.canonical.empty() && host->h_name != nullptr) into.canonical = host->h_name;
  std::size_t count = 0;
  for (char** a = host->h_addr_list; *a != nullptr; ++a, ++count)
    into.addresses.push_back(type == type_a ? ip_address::v4(*a) : ip_address::v6(*a));
  if (count == 0) r.is = verdict::no_data;
  library.free_hostent(host);
}

// One name exactly as it is.
found_host query(resolver& r, const std::string& name, int family) {
  std::array<int, 2> types{type_a, type_aaaa};
  std::span<const int> asked = types;
  if (family != AF_UNSPEC) asked = asked.subspan(family == AF_INET ? 0 : 1, 1);
  found_host out;
  std::vector<reply> replies;
  out.ended = r.ask(name, asked, replies);
  if (out.ended != detail::wake::ready) return out;
  for (std::size_t i = 0; i < asked.size(); ++i)
    if (replies[i].is == verdict::ok) take_addresses(r.library(), replies[i], asked[i], out);
  // Addresses of one family are an answer whatever became of the other; else the reply that says most.
  out.is = replies[0].is;
  for (const reply& x : replies)
    if (x.is == verdict::ok || out.is == verdict::no_data) out.is = x.is;
  if (!out.addresses.empty()) out.is = verdict::ok;
  return out;
}

}  // namespace

found_host search_dns(resolver& r, const std::string& name, int family) {
  if (!is_host_name(name)) return {};
  // Copied: the file may change while this fiber is parked.
  const resolv_conf conf = r.configuration();
  const auto dots = std::count(name.begin(), name.end(), '.');
  if (name.back() == '.') return query(r, name.substr(0, name.size() - 1), family);

  std::optional<found_host> as_it_is;
  if (dots >= conf.ndots) {
    as_it_is = query(r, name, family);
    if (as_it_is->ended != detail::wake::ready || as_it_is->is == verdict::ok) return *as_it_is;
    if (as_it_is->is == verdict::no_answer || as_it_is->is == verdict::no_memory) return *as_it_is;
  }
  bool no_data = false, refused = false;
  for (const std::string& domain : conf.search) {
    const bool top = domain == "." || domain.empty();
    if (top && as_it_is) continue;
    found_host tried = query(r, top ? name : name + "." + domain, family);
    if (tried.ended != detail::wake::ready || tried.is == verdict::ok) return tried;
    // Servers that do not answer will not for the next name either.
    if (tried.is == verdict::no_answer || tried.is == verdict::no_memory) return tried;
    no_data = no_data || tried.is == verdict::no_data;
    refused = refused || tried.is == verdict::refused;
  }
  if (!as_it_is && (dots > 0 || conf.top_level_queries)) {
    as_it_is = query(r, name, family);
    if (as_it_is->ended != detail::wake::ready || as_it_is->is == verdict::ok) return *as_it_is;
  }
  found_host none;
  if (as_it_is && as_it_is->is != verdict::not_found)
    none.is = as_it_is->is;
  else if (no_data)
    none.is = verdict::no_data;
  else if (refused)
    none.is = verdict::refused;
  return none;
}

}  // namespace weft::dns
