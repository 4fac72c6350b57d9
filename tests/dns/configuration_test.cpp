// The parsers of resolv.conf, nsswitch.conf and the hosts file, on texts; the RFC 6724 rules, on made-up sources.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "dns/hosts_file.hpp"
#include "dns/nsswitch.hpp"
#include "dns/order.hpp"
#include "dns/resolv_conf.hpp"

using namespace weft::dns;
using strings = std::vector<std::string>;

namespace {

ip_address address(const std::string& text) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return ip_address::v4(bytes);
  REQUIRE(inet_pton(AF_INET6, text.c_str(), bytes) == 1);
  return ip_address::v6(bytes);
}

std::string text(const ip_address& a) {
  char out[INET6_ADDRSTRLEN];
  return inet_ntop(a.family, a.bytes.data(), out, sizeof out);
}

strings texts(const std::vector<ip_address>& addresses) {
  strings out;
  for (const ip_address& a : addresses) out.push_back(text(a));
  return out;
}

}  // namespace

TEST_CASE("resolv.conf's keywords are read, comments and unknown ones are not") {
  const auto conf = parse_resolv_conf(
    "# comment\n; another\nnameserver 192.0.2.1\nnameserver 2001:db8::1 # trailing\nnameserver nonsense\n"
    "domain old.test\nsearch one.test two.test.\noptions ndots:3 timeout:2 attempts:9 rotate edns0 trust-ad\n"
    "options single-request no-reload no-aaaa\n nameserver 192.0.2.9\n",
    false, "host.example.test");
  CHECK(conf.servers == strings{"192.0.2.1", "[2001:db8::1]"});
  CHECK(conf.search == strings{"one.test", "two.test"});
  CHECK(conf.ndots == 3);
  CHECK(conf.timeout == 2);
  CHECK(conf.attempts == 5);
  CHECK(conf.rotate);
  CHECK(conf.edns);
  CHECK(conf.single_request);
  CHECK(conf.no_aaaa);
  CHECK_FALSE(conf.reload);
  CHECK_FALSE(conf.use_tcp);
}

TEST_CASE("an empty resolv.conf asks the local machine and searches the host's own domain") {
  const auto conf = parse_resolv_conf("", false, "host.example.test");
  CHECK(conf.servers == strings{"127.0.0.1"});
  CHECK(conf.search == strings{"example.test"});
  CHECK(parse_resolv_conf("", false, "host").search.empty());
}

TEST_CASE("at most three servers count, as with glibc") {
  CHECK(parse_resolv_conf("nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4\n", false, "").servers ==
        strings{"1.1.1.1", "1.1.1.2", "1.1.1.3"});
}

TEST_CASE("ports are taken only where they are allowed") {
  const char* lines = "nameserver 127.0.0.1:5353\nnameserver [::1]:53\nnameserver 127.0.0.1:0\nnameserver 127.0.0.1:70000\n";
  CHECK(parse_resolv_conf(lines, true, "").servers == strings{"127.0.0.1:5353", "[::1]:53"});
  CHECK(servers_csv(parse_resolv_conf(lines, true, "")) == "127.0.0.1:5353,[::1]:53");
  CHECK(parse_resolv_conf(lines, false, "").servers == strings{"127.0.0.1"});
}

TEST_CASE("the environment overrides resolv.conf") {
  auto conf = parse_resolv_conf("search one.test\noptions ndots:3\n", false, "");
  apply_environment(conf, "local.test", "ndots:5");
  CHECK(conf.search == strings{"local.test"});
  CHECK(conf.ndots == 5);
}

TEST_CASE("nsswitch names files and dns in an order, anything else is libc's") {
  CHECK(hosts_order("passwd: files\nhosts:\tdns files # x\n") == std::vector<step>{{source::dns}, {source::files}});
  CHECK(hosts_order("hosts: files\n") == std::vector<step>{{source::files}});
  CHECK(hosts_order("") == std::vector<step>{{source::files}, {source::dns}});
  CHECK(!hosts_order("hosts: files mdns4_minimal [NOTFOUND=return] dns\n"));
  CHECK(!hosts_order("hosts: files resolve [!UNAVAIL=return] dns\n"));
}

TEST_CASE("nsswitch's actions say which answers end the search") {
  const auto order = hosts_order("hosts: files [NOTFOUND=return] dns[!UNAVAIL=return success=CONTINUE] files\n");
  REQUIRE(order);
  REQUIRE(order->size() == 3);
  CHECK((*order)[0].ends == std::array{true, true, false, false});
  CHECK((*order)[1].ends == std::array{false, true, false, true});
  CHECK((*order)[2].ends == std::array{true, false, false, false});
  for (const char* line : {"hosts: [NOTFOUND=return] dns\n", "hosts: dns [NOTFOUND=return\n", "hosts: dns [SUCCESS=merge] files\n",
                           "hosts: dns [SOMETIMES=return]\n", "hosts: dns [NOTFOUND]\n"})
    CHECK(!hosts_order(line));
}

TEST_CASE("every line of the hosts file that names the host counts, in order") {
  const char* hosts = "192.0.2.1 Web.test web # first\n#192.0.2.2 web\n2001:db8::1 web\n192.0.2.3 other web.test\nbad line\n192.0.2.4\n";
  auto found = find_host(hosts, "WEB", AF_UNSPEC);
  REQUIRE(found);
  CHECK(found->canonical == "Web.test");
  CHECK(texts(found->addresses) == strings{"192.0.2.1", "2001:db8::1"});
  found = find_host(hosts, "web.test", AF_INET);
  REQUIRE(found);
  CHECK(texts(found->addresses) == strings{"192.0.2.1", "192.0.2.3"});
  CHECK(found->aliases == strings{"web"});
  CHECK(!find_host(hosts, "we", AF_UNSPEC));
  CHECK(!find_host(hosts, "other", AF_INET6));
}

TEST_CASE("asked for IPv4, the hosts file's ::1 is 127.0.0.1") {
  const auto found = find_host("::1 self\n::ffff:192.0.2.1 self\n", "self", AF_INET);
  REQUIRE(found);
  CHECK(texts(found->addresses) == strings{"127.0.0.1", "192.0.2.1"});
}

TEST_CASE("an address leads back to the first line that has it") {
  const char* hosts = "192.0.2.1 web.test web\n192.0.2.1 again\n";
  const auto found = find_address(hosts, address("192.0.2.1"));
  REQUIRE(found);
  CHECK(found->canonical == "web.test");
  CHECK(found->aliases == strings{"web"});
  CHECK(!find_address(hosts, address("192.0.2.2")));
}

TEST_CASE("unreachable addresses come last, IPv6 before IPv4, the nearest first, and equals keep their order") {
  std::vector<candidate> candidates{
    {address("2001:db8:1::1"), {}, false},
    {address("192.0.2.1"), address("192.0.2.99"), true},
    {address("192.0.2.2"), address("192.0.2.99"), true},
    {address("2001:db8:2::1"), address("2001:db8:3::99"), true},
    {address("2001:db8:3::1"), address("2001:db8:3::99"), true},
    {address("::1"), address("::1"), true},
  };
  order_candidates(candidates, parse_gai_conf(""));
  strings order;
  for (const candidate& c : candidates) order.push_back(text(c.to));
  CHECK(order == strings{"::1", "2001:db8:3::1", "2001:db8:2::1", "192.0.2.1", "192.0.2.2", "2001:db8:1::1"});
}

TEST_CASE("a destination whose source has another scope or label yields to one that fits") {
  std::vector<candidate> candidates{
    {address("2001:db8::1"), address("fe80::1"), true},   // source of link scope only
    {address("192.0.2.1"), address("192.0.2.99"), true},
  };
  order_candidates(candidates, parse_gai_conf(""));
  CHECK(text(candidates[0].to) == "192.0.2.1");
  candidates = {
    {address("2001:db8::1"), address("fd00::1"), true},   // a unique-local source is no match for a global address
    {address("192.0.2.1"), address("192.0.2.99"), true},
  };
  order_candidates(candidates, parse_gai_conf(""));
  CHECK(text(candidates[0].to) == "192.0.2.1");
}

TEST_CASE("gai.conf replaces the tables that it names") {
  std::vector<candidate> both{
    {address("2001:db8::1"), address("2001:db8::99"), true},
    {address("192.0.2.1"), address("192.0.2.99"), true},
  };
  const auto first_by = [&](const char* conf) {
    auto candidates = both;
    order_candidates(candidates, parse_gai_conf(conf));
    return text(candidates[0].to);
  };
  CHECK(first_by("") == "2001:db8::1");
  CHECK(first_by("# a comment\nprecedence ::ffff:0:0/96  100 # IPv4 first\n") == "192.0.2.1");
  CHECK(first_by("precedence 2001:db8::/32 1\nprecedence ::ffff:0:0/96 2\n") == "192.0.2.1");
  CHECK(first_by("precedence nonsense 100\nprecedence ::ffff:0:0/96\nprecedence ::ffff:0:0/200 100\n") == "2001:db8::1");
  // Labels: with the same one for source and destination of IPv4 only, IPv4 fits better.
  CHECK(first_by("label 2001:db8::1/128 9\n") == "192.0.2.1");
  const policies by = parse_gai_conf("scopev4 10.0.0.0/8 5\nscopev4 ::ffff:192.168.0.0/112 5\nscopev4 ::/0 5\n");
  CHECK(by.scopes.size() == 3);
  CHECK(policies::value_of(address("10.1.2.3").mapped().as_v6(), by.scopes) == 5);
  CHECK(policies::value_of(address("192.168.2.3").mapped().as_v6(), by.scopes) == 5);
  CHECK(policies::value_of(address("11.1.2.3").mapped().as_v6(), by.scopes) == 14);
}
