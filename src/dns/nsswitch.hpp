// Which sources /etc/nsswitch.conf names for host names, what to do after each one's answer, and whether all are ones that Weft can
// answer from.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::dns {

enum class source {
  files,  // /etc/hosts
  dns,
};

// How a source answered, as nsswitch.conf(5) has it.
enum class outcome { success, not_found, unavailable, try_again };

struct step {
  source from;
  // By outcome: whether the search ends with it.
  std::array<bool, 4> ends = {true, false, false, false};

  bool ends_with(outcome o) const { return ends[static_cast<std::size_t>(o)]; }
  friend bool operator==(const step&, const step&) = default;
};

// The steps of a `hosts:` line in the text of an nsswitch.conf; glibc's default (files dns) when it has none.
// Nothing when the line names any other source, the action `merge`, or cannot be read: then libc's resolver must answer.
std::optional<std::vector<step>> hosts_order(std::string_view nsswitch_conf);

// The same of the system's file, read again when it changes.
std::optional<std::vector<step>> system_hosts_order();

}  // namespace weft::dns
