#include "dns/nsswitch.hpp"

#include <mutex>

#include "dns/file.hpp"
#include "dns/words.hpp"

namespace weft::dns {

std::optional<std::vector<source>> hosts_order(std::string_view text) {
  std::vector<source> order{source::files, source::dns};
  while (!text.empty()) {
    std::string_view line = next_line(text);
    line = line.substr(0, line.find('#'));
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    std::string_view key = line.substr(0, colon);
    if (next_word(key) != "hosts") continue;
    order.clear();
    line.remove_prefix(colon + 1);
    for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
      if (word == "files")
        order.push_back(source::files);
      else if (word == "dns")
        order.push_back(source::dns);
      else
        return std::nullopt;
    }
    break;
  }
  return order;
}

std::optional<std::vector<source>> system_hosts_order() {
  static const std::string path = "/etc/nsswitch.conf";
  static std::mutex lock;
  static std::optional<file_stamp> seen;
  static std::optional<std::vector<source>> order;
  const file_stamp now = stamp_of(path);
  const std::lock_guard guard(lock);
  if (!seen || *seen != now) {
    order = hosts_order(read_file(path));
    seen = now;
  }
  return order;
}

}  // namespace weft::dns
