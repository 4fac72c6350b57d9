// The order in which names are tried and what counts as the answer follow glibc's res_search and nss_dns (resolv/res_query.c).
#include "dns/search.hpp"

#include <netdb.h>

#include <algorithm>
#include <array>
#include <optional>

#include "dns/answer.hpp"
#include "dns/host_name.hpp"

namespace weft::dns {

namespace {

void take_addresses(const cares& library, reply& r, int type, found_host& into) {
  answer a = read_answer(library, r.message, type);
  if (a.damaged || a.data.empty()) {
    r.is = verdict::unusable;
    return;
  }
  if (into.canonical.empty()) {
    into.canonical = std::move(a.canonical);
    into.aliases = std::move(a.aliases);
  }
  for (const std::string& bytes : a.data)
    into.addresses.push_back(type == type_a ? ip_address::v4(bytes.data()) : ip_address::v6(bytes.data()));
}

// Replies to each of `types`; at once, or (`options single-request`) one after the other.
detail::wake ask(resolver& r, const std::string& name, std::span<const int> types, bool one_at_a_time, std::vector<reply>& replies) {
  if (!one_at_a_time) return r.ask(name, types, replies);
  std::vector<reply> one;
  for (const int type : types) {
    if (const detail::wake ended = r.ask(name, {&type, 1}, one); ended != detail::wake::ready) return ended;
    replies.push_back(std::move(one[0]));
  }
  return detail::wake::ready;
}

// One name exactly as it is.
found_host query(resolver& r, const std::string& name, int family, const resolv_conf& conf) {
  std::array<int, 2> types{type_a, type_aaaa};
  std::span<const int> asked = types;
  if (family != AF_UNSPEC) asked = asked.subspan(family == AF_INET ? 0 : 1, 1);
  found_host out;
  if (conf.no_aaaa) {
    if (family == AF_INET6) {
      out.is = verdict::no_data;
      return out;
    }
    asked = asked.subspan(0, 1);
  }
  std::vector<reply> replies;
  out.ended = ask(r, name, asked, conf.single_request, replies);
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

// Servers that do not answer will not for the next name either; an unusable answer is one.
bool ends_search(verdict v) { return v == verdict::no_answer || v == verdict::no_memory || v == verdict::unusable; }

}  // namespace

found_host search_dns(resolver& r, const std::string& name, int family) {
  if (!is_host_name(name)) return {};
  // Copied: the file may change while this fiber is parked.
  const resolv_conf conf = r.configuration();
  const auto dots = std::count(name.begin(), name.end(), '.');
  if (name.back() == '.') return query(r, name.substr(0, name.size() - 1), family, conf);

  std::optional<found_host> as_it_is;
  if (dots >= conf.ndots) {
    as_it_is = query(r, name, family, conf);
    if (as_it_is->ended != detail::wake::ready || as_it_is->is == verdict::ok) return *as_it_is;
    if (ends_search(as_it_is->is)) return *as_it_is;
  }
  bool no_data = false, refused = false, root_on_list = false;
  for (const std::string& domain : conf.search) {
    const bool top = domain == "." || domain.empty();
    root_on_list = root_on_list || top;
    found_host tried = query(r, top ? name : name + "." + domain, family, conf);
    if (tried.ended != detail::wake::ready || tried.is == verdict::ok) return tried;
    if (ends_search(tried.is)) return tried;
    no_data = no_data || tried.is == verdict::no_data;
    refused = refused || tried.is == verdict::refused;
  }
  if (!as_it_is && !root_on_list && (dots > 0 || conf.top_level_queries)) {
    as_it_is = query(r, name, family, conf);
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
