// resolv.conf(5), parsed by Weft itself: c-ares' reading of it cannot be redirected to another file with ports in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::dns {

struct resolv_conf {
  std::vector<std::string> servers;  // "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53"
  std::vector<std::string> search;
  int ndots = 1;
  int timeout = 5;                   // seconds
  int attempts = 2;
  bool rotate = false;
  bool use_tcp = false;
  bool edns = false;                 // `edns0`: answers of more than 512 bytes by UDP
  bool single_request = false;       // `single-request`, `single-request-reopen`: IPv4 and IPv6 one after the other
  bool no_aaaa = false;              // `no-aaaa`: no IPv6 addresses from name servers
  bool reload = true;                // false: `no-reload`, later changes of the file do not count
  bool top_level_queries = true;     // false: `no-tld-query`, a name without dots is never asked for as it is
};

// `with_ports`: a name server may carry a port, as `127.0.0.1:5353` or `[::1]:5353` (Weft's extension, for WEFT_RESOLV_CONF). Lines
// that glibc would ignore are ignored. Without a `search` or `domain` line the domain of `host_name` is searched.
resolv_conf parse_resolv_conf(std::string_view text, bool with_ports, std::string_view host_name);

// LOCALDOMAIN and RES_OPTIONS of the environment, which override the file. Either may be null.
void apply_environment(resolv_conf& conf, const char* local_domain, const char* options);

// The servers as c-ares wants them.
std::string servers_csv(const resolv_conf& conf);

}  // namespace weft::dns
