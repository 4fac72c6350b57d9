// Names and addresses of /etc/hosts, matched as glibc's "files" source does with `multi on` (Debian's default): every line counts.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/address.hpp"

namespace weft::dns {

struct host_entry {
  std::string canonical;              // the first name of the first line that matched
  std::vector<std::string> aliases;   // its other names
  std::vector<ip_address> addresses;  // in the order of the file
};

// The addresses of `name` in the text of a hosts file. `family` is AF_INET, AF_INET6 or AF_UNSPEC; nothing when no line matches.
std::optional<host_entry> find_host(std::string_view hosts_text, std::string_view name, int family);

// The first line with this address, for the way back from addresses to names.
std::optional<host_entry> find_address(std::string_view hosts_text, const ip_address& address);

// The text of the system's hosts file. Read at every look-up, as glibc does.
std::string system_hosts();

}  // namespace weft::dns
