// Which sources /etc/nsswitch.conf names for host names, and whether they are ones that Weft can answer from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::dns {

enum class source {
  files,  // /etc/hosts
  dns,
};

// The order of a `hosts:` line in the text of an nsswitch.conf; glibc's default (files dns) when it has none. Nothing when the
// line names any other source or an action in brackets: then libc's resolver must answer.
std::optional<std::vector<source>> hosts_order(std::string_view nsswitch_conf);

// The same of the system's file, read again when it changes.
std::optional<std::vector<source>> system_hosts_order();

}  // namespace weft::dns
