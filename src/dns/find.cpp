#include "dns/find.hpp"

#include "dns/choice.hpp"
#include "dns/hosts_file.hpp"
#include "dns/reverse.hpp"

namespace weft::dns {

namespace {

// libc's "dns" source calls a server that does not answer, or fails, unavailable (nss_dns: ETIMEDOUT, ECONNREFUSED).
outcome outcome_of(verdict v) {
  switch (v) {
  case verdict::ok: return outcome::success;
  case verdict::no_data:
  case verdict::not_found:
  case verdict::bad_name: return outcome::not_found;
  case verdict::refused:
  case verdict::no_answer: return outcome::unavailable;
  case verdict::unusable:
  case verdict::no_memory: return outcome::try_again;
  }
  return outcome::unavailable;
}

found_host from_entry(const std::optional<host_entry>& entry) {
  if (!entry) return {};
  found_host found;
  found.is = verdict::ok;
  found.canonical = entry->canonical;
  found.aliases = entry->aliases;
  found.addresses = entry->addresses;
  return found;
}

}  // namespace

std::optional<std::vector<step>> order_of_sources() {
  if (libc_wanted()) return std::nullopt;
  auto order = system_hosts_order();
  if (!order && own_resolv_conf()) order = {{source::files}, {source::dns}};
  return order;
}

found_host ask_in_order(const std::vector<step>& order, const std::function<found_host(source)>& ask, bool failures_count) {
  found_host last;
  for (const step& s : order) {
    last = ask(s.from);
    const outcome o = last.is == verdict::ok || failures_count ? outcome_of(last.is) : outcome::not_found;
    if (last.ended != detail::wake::ready || s.ends_with(o)) break;
  }
  return last;
}

found_host search_files(const std::string& name, int family) { return from_entry(find_host(system_hosts(), name, family)); }

found_host find_name(resolver& r, const std::vector<step>& order, const std::string& name, int family) {
  return ask_in_order(order, [&](source s) { return s == source::files ? search_files(name, family) : search_dns(r, name, family); });
}

found_host find_names(resolver& r, const std::vector<step>& order, const ip_address& address) {
  return ask_in_order(order, [&](source s) {
    return s == source::files ? from_entry(find_address(system_hosts(), address)) : search_reverse(r, address);
  }, false);
}

}  // namespace weft::dns
