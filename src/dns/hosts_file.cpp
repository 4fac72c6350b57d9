#include "dns/hosts_file.hpp"

#include "dns/file.hpp"
#include "dns/words.hpp"

namespace weft::dns {

namespace {

struct hosts_line {
  ip_address address;
  std::vector<std::string_view> names;
};

std::optional<hosts_line> parse(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const std::string text(next_word(line));
  hosts_line out;
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1)
    out.address = ip_address::v4(bytes);
  else if (inet_pton(AF_INET6, text.c_str(), bytes) == 1)
    out.address = ip_address::v6(bytes);
  else
    return std::nullopt;
  for (std::string_view name = next_word(line); !name.empty(); name = next_word(line)) out.names.push_back(name);
  if (out.names.empty()) return std::nullopt;
  return out;
}

// The line's address as `family` wants it. Asked for IPv4, glibc takes the mapped ones and reads ::1 as 127.0.0.1
// (nss/nss_files/files-hosts.c).
std::optional<ip_address> as_family(const ip_address& a, int family) {
  if (family == AF_UNSPEC || a.family == family) return a;
  if (family != AF_INET) return std::nullopt;
  const in6_addr in = a.as_v6();
  if (IN6_IS_ADDR_V4MAPPED(&in)) return a.unmapped();
  if (IN6_IS_ADDR_LOOPBACK(&in)) {
    const in_addr loopback{htonl(INADDR_LOOPBACK)};
    return ip_address::v4(&loopback);
  }
  return std::nullopt;
}

void take_names(host_entry& entry, const hosts_line& line) {
  entry.canonical = line.names.front();
  for (std::size_t i = 1; i < line.names.size(); ++i) entry.aliases.emplace_back(line.names[i]);
}

}  // namespace

std::optional<host_entry> find_host(std::string_view text, std::string_view name, int family) {
  host_entry found;
  while (!text.empty()) {
    const std::optional<hosts_line> line = parse(next_line(text));
    if (!line) continue;
    bool matches = false;
    for (const std::string_view n : line->names) matches = matches || same_name(n, name);
    if (!matches) continue;
    const std::optional<ip_address> address = as_family(line->address, family);
    if (!address) continue;
    if (found.addresses.empty()) take_names(found, *line);
    found.addresses.push_back(*address);
  }
  if (found.addresses.empty()) return std::nullopt;
  return found;
}

std::optional<host_entry> find_address(std::string_view text, const ip_address& address) {
  while (!text.empty()) {
    const std::optional<hosts_line> line = parse(next_line(text));
    if (!line || line->address.family != address.family || line->address.bytes != address.bytes) continue;
    host_entry found;
    take_names(found, *line);
    found.addresses.push_back(address);
    return found;
  }
  return std::nullopt;
}

std::string system_hosts() { return read_file("/etc/hosts"); }

}  // namespace weft::dns
