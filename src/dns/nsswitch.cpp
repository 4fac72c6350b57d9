#include "dns/nsswitch.hpp"

#include <mutex>

#include "dns/file.hpp"
#include "dns/words.hpp"

namespace weft::dns {

namespace {

std::optional<outcome> outcome_named(std::string_view word) {
  if (same_name(word, "SUCCESS")) return outcome::success;
  if (same_name(word, "NOTFOUND")) return outcome::not_found;
  if (same_name(word, "UNAVAIL")) return outcome::unavailable;
  if (same_name(word, "TRYAGAIN")) return outcome::try_again;
  return std::nullopt;
}

// "[!UNAVAIL=return TRYAGAIN=continue]" without its brackets, which changes what follows the source before it.
bool take_actions(std::string_view text, step& s) {
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    const bool others = word.front() == '!';
    if (others) word.remove_prefix(1);
    const std::size_t equals = word.find('=');
    if (equals == word.npos) return false;
    const auto named = outcome_named(word.substr(0, equals));
    const std::string_view action = word.substr(equals + 1);
    const bool ends = same_name(action, "return");
    if (!named || (!ends && !same_name(action, "continue"))) return false;
    for (std::size_t i = 0; i < s.ends.size(); ++i)
      if ((i == static_cast<std::size_t>(*named)) != others) s.ends[i] = ends;
  }
  return true;
}

std::optional<std::vector<step>> parse_steps(std::string_view line) {
  std::vector<step> steps;
  for (;;) {
    const std::size_t begin = line.find_first_not_of(blanks);
    if (begin == line.npos) return steps;
    line.remove_prefix(begin);
    if (line.front() == '[') {
      const std::size_t end = line.find(']');
      if (end == line.npos || steps.empty() || !take_actions(line.substr(1, end - 1), steps.back())) return std::nullopt;
      line.remove_prefix(end + 1);
      continue;
    }
    // A bracket may follow its source without a blank.
    const std::size_t end = line.find_first_of(" \t\r\v\f[");
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(word.size());
    if (word == "files") steps.push_back({source::files});
    else if (word == "dns") steps.push_back({source::dns});
    else return std::nullopt;
  }
}

}  // namespace

std::optional<std::vector<step>> hosts_order(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = next_line(text);
    line = line.substr(0, line.find('#'));
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    std::string_view key = line.substr(0, colon);
    if (next_word(key) == "hosts") return parse_steps(line.substr(colon + 1));
  }
  return std::vector<step>{{source::files}, {source::dns}};
}

std::optional<std::vector<step>> system_hosts_order() {
  static const std::string path = "/etc/nsswitch.conf";
  static std::mutex lock;
  static std::optional<file_stamp> seen;
  static std::optional<std::vector<step>> order;
  const file_stamp now = stamp_of(path);
  const std::lock_guard guard(lock);
  if (!seen || *seen != now) {
    order = hosts_order(read_file(path));
    seen = now;
  }
  return order;
}

}  // namespace weft::dns
