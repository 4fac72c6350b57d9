#include "dns/resolv_conf.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "dns/words.hpp"

namespace weft::dns {

namespace {

// glibc's limits (resolv/resolv.h: MAXNS, RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY).
constexpr std::size_t most_servers = 3;
constexpr int most_ndots = 15, most_timeout = 30, most_attempts = 5;

// The number that `text` begins with ("3s" is 3, as with atoi); -1 when there is none.
int number(std::string_view text) {
  int value = 0;
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc() ? value : -1;
}

bool is_address(int family, std::string_view text) {
  unsigned char bytes[16];
  return inet_pton(family, std::string(text.substr(0, text.find('%'))).c_str(), bytes) == 1;
}

std::optional<std::string> server(std::string_view word, bool with_ports) {
  if (is_address(AF_INET, word)) return std::string(word);
  if (is_address(AF_INET6, word)) return "[" + std::string(word) + "]";
  if (!with_ports) return std::nullopt;
  const std::size_t colon = word.rfind(':');
  if (colon == word.npos) return std::nullopt;
  const int port = number(word.substr(colon + 1));
  if (port <= 0 || port > 65535) return std::nullopt;
  std::string_view host = word.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed ? is_address(AF_INET6, host.substr(1, host.size() - 2)) : is_address(AF_INET, host)) return std::string(word);
  return std::nullopt;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
    while (word.size() > 1 && word.back() == '.') word.remove_suffix(1);
    words.emplace_back(word);
  }
  return words;
}

void take_options(resolv_conf& conf, std::string_view line) {
  for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
    const std::size_t colon = word.find(':');
    const std::string_view key = word.substr(0, colon);
    const int value = colon == word.npos ? -1 : number(word.substr(colon + 1));
    if (key == "ndots" && value >= 0)
      conf.ndots = std::min(value, most_ndots);
    else if (key == "timeout" && value >= 0)
      conf.timeout = std::clamp(value, 1, most_timeout);
    else if (key == "attempts" && value >= 0)
      conf.attempts = std::clamp(value, 1, most_attempts);
    else if (word == "rotate")
      conf.rotate = true;
    else if (word == "use-vc")
      conf.use_tcp = true;
    else if (word == "edns0")
      conf.edns = true;
    else if (word == "single-request" || word == "single-request-reopen")
      conf.single_request = true;
    else if (word == "no-aaaa")
      conf.no_aaaa = true;
    else if (word == "no-reload")
      conf.reload = false;
    else if (word == "no-tld-query")
      conf.top_level_queries = false;
  }
}

}  // namespace

resolv_conf parse_resolv_conf(std::string_view text, bool with_ports, std::string_view host_name) {
  resolv_conf conf;
  bool searched = false;
  while (!text.empty()) {
    std::string_view line = next_line(text);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    line = line.substr(0, line.find_first_of("#;"));
    // A keyword counts only at the start of its line.
    if (blanks.find(line.empty() ? ' ' : line[0]) != blanks.npos) continue;
    const std::string_view key = next_word(line);
    if (key == "nameserver") {
      const auto s = server(next_word(line), with_ports);
      if (s && conf.servers.size() < most_servers) conf.servers.push_back(*s);
    } else if (key == "search" || key == "domain") {
      conf.search = words_of(line);
      if (key == "domain" && conf.search.size() > 1) conf.search.resize(1);
      searched = true;
    } else if (key == "options") {
      take_options(conf, line);
    }
  }
  if (conf.servers.empty()) conf.servers.emplace_back("127.0.0.1");
  const std::size_t dot = host_name.find('.');
  if (!searched && dot != host_name.npos && dot + 1 < host_name.size()) conf.search.emplace_back(host_name.substr(dot + 1));
  return conf;
}

void apply_environment(resolv_conf& conf, const char* local_domain, const char* options) {
  if (local_domain != nullptr) conf.search = words_of(local_domain);
  if (options != nullptr) take_options(conf, options);
}

std::string servers_csv(const resolv_conf& conf) {
  std::string csv;
  for (const std::string& s : conf.servers) csv += (csv.empty() ? "" : ",") + s;
  return csv;
}

}  // namespace weft::dns
