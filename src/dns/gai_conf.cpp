#include "dns/gai_conf.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "dns/file.hpp"
#include "dns/words.hpp"

namespace weft::dns {

namespace {

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

in6_addr mapped(const in_addr& four) {
  in6_addr a{};
  a.s6_addr[10] = a.s6_addr[11] = 0xff;
  std::memcpy(a.s6_addr + 12, &four, sizeof four);
  return a;
}

// "PREFIX[/BITS] VALUE". `with_v4`: IPv4 prefixes count, too, and others must lie within ::ffff:0:0/96 (scopev4).
std::optional<policy> parse_policy(std::string_view line, bool with_v4) {
  const std::string_view prefix = next_word(line);
  const std::size_t slash = prefix.find('/');
  const std::string text(prefix.substr(0, slash));
  const auto value = number(next_word(line));
  const auto bits = slash == prefix.npos ? std::optional<int>(-1) : number(prefix.substr(slash + 1));
  if (!value || !bits) return std::nullopt;
  policy p{{}, 128, *value};
  in_addr four;
  if (inet_pton(AF_INET6, text.c_str(), &p.prefix) == 1) {
    if (*bits > 128) return std::nullopt;
    if (*bits >= 0) p.bits = static_cast<unsigned>(*bits);
    if (with_v4 && (!IN6_IS_ADDR_V4MAPPED(&p.prefix) || p.bits < 96)) return std::nullopt;
    return p;
  }
  if (!with_v4 || inet_pton(AF_INET, text.c_str(), &four) != 1 || *bits > 32) return std::nullopt;
  p.prefix = mapped(four);
  if (*bits >= 0) p.bits = 96 + static_cast<unsigned>(*bits);
  return p;
}

policy entry(const char* prefix, unsigned bits, int value) {
  policy p{{}, bits, value};
  inet_pton(AF_INET6, prefix, &p.prefix);
  return p;
}

// gai.conf(5)'s defaults. glibc gives site-local, unique-local and Teredo addresses labels of their own.
std::vector<policy> default_labels() {
  return {entry("::1", 128, 0), entry("::ffff:0:0", 96, 4), entry("::", 96, 3), entry("2001::", 32, 7),
          entry("2002::", 16, 2), entry("fec0::", 10, 5), entry("fc00::", 7, 6), entry("::", 0, 1)};
}
std::vector<policy> default_precedences() {
  return {entry("::1", 128, 50), entry("::ffff:0:0", 96, 10), entry("::", 96, 20), entry("2002::", 16, 30), entry("::", 0, 40)};
}
// Private IPv4 nets count as global.
std::vector<policy> default_scopes() {
  return {entry("::ffff:169.254.0.0", 112, 2), entry("::ffff:127.0.0.0", 104, 2), entry("::ffff:0:0", 96, 14)};
}

// What the file says, with the default's last line when nothing matches everything; the default when it says nothing.
std::vector<policy> complete(std::vector<policy> table, std::vector<policy> usual) {
  if (table.empty()) return usual;
  std::stable_sort(table.begin(), table.end(), [](const policy& a, const policy& b) { return a.bits > b.bits; });
  if (table.back().bits > usual.back().bits) table.push_back(usual.back());
  return table;
}

}  // namespace

bool policy::matches(const in6_addr& a) const noexcept {
  unsigned left = bits;
  for (unsigned i = 0; left > 0; ++i) {
    const unsigned here = std::min(left, 8u);
    const unsigned mask = 0xff00u >> here & 0xffu;
    if ((a.s6_addr[i] & mask) != (prefix.s6_addr[i] & mask)) return false;
    left -= here;
  }
  return true;
}

int policies::value_of(const in6_addr& a, const std::vector<policy>& table) noexcept {
  for (const policy& p : table)
    if (p.matches(a)) return p.value;
  return 0;
}

policies parse_gai_conf(std::string_view text) {
  policies found;
  while (!text.empty()) {
    std::string_view line = next_line(text);
    line = line.substr(0, line.find('#'));
    const std::string_view key = next_word(line);
    std::vector<policy>* table = key == "label" ? &found.labels : key == "precedence" ? &found.precedences : key ==
        "scopev4" ? &found.scopes : nullptr;
    if (table == nullptr) continue;
    if (const auto p = parse_policy(line, table == &found.scopes)) table->push_back(*p);
  }
  found.labels = complete(std::move(found.labels), default_labels());
  found.precedences = complete(std::move(found.precedences), default_precedences());
  found.scopes = complete(std::move(found.scopes), default_scopes());
  return found;
}

const policies& system_policies() {
  static const policies tables = parse_gai_conf(read_file("/etc/gai.conf"));
  return tables;
}

}  // namespace weft::dns
