// Look-ups through c-ares against a real DNS server on loopback: answers, errors, many at once, cancellation.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "addrinfo_text.hpp"
#include "dns_process.hpp"
#include "weft/cancel.hpp"
#include "weft/dns.hpp"
#include "weft/fiber.hpp"

using namespace std::chrono_literals;
using weft_test::addresses_of;
using weft_test::answer_of;
using weft_test::error_text;

namespace {

// A server of its own, with the look-ups of this process pointed at it.
struct served : weft_test::dns_process {
  explicit served(std::vector<std::string> options, const std::string& more_configuration = "")
      : dns_process(std::move(options)) {
    std::ofstream(resolv_conf(), std::ios::app) << more_configuration;
    setenv("WEFT_RESOLV_CONF", resolv_conf().c_str(), 1);
  }
  ~served() { unsetenv("WEFT_RESOLV_CONF"); }
};

std::string look_up(const char* name, int family = AF_INET, int flags = 0) {
  return addresses_of(&weft::getaddrinfo, name, family, flags);
}

}  // namespace

TEST_CASE("a name's addresses come from the server that WEFT_RESOLV_CONF names") {
  served dns({"--record", "one.test=192.0.2.1"});
  CHECK(look_up("one.test") == "192.0.2.1");
  CHECK(look_up("ONE.test.") == "192.0.2.1");
  const auto addresses = weft::resolve("one.test", 8080);
  REQUIRE(addresses.size() == 1);
  CHECK(addresses[0].to_string() == "192.0.2.1:8080");
}

TEST_CASE("both families are asked for at once, and one is enough") {
  served dns({"--record", "both.test=192.0.2.1", "--record", "both.test=2001:db8::1", "--record", "six.test=2001:db8::6",
              "--record", "four.test=192.0.2.4"});
  std::string both = look_up("both.test", AF_UNSPEC);
  CHECK((both == "2001:db8::1 192.0.2.1" || both == "192.0.2.1 2001:db8::1"));
  CHECK(look_up("six.test", AF_UNSPEC) == "2001:db8::6");
  CHECK(look_up("four.test", AF_UNSPEC) == "192.0.2.4");
  CHECK(look_up("six.test", AF_INET) == error_text(EAI_NODATA));
  CHECK(look_up("four.test", AF_INET6) == error_text(EAI_NODATA));
  CHECK(look_up("four.test", AF_INET6, AI_V4MAPPED) == "::ffff:192.0.2.4");
  CHECK(look_up("six.test", AF_INET6, AI_V4MAPPED) == "2001:db8::6");
  both = look_up("both.test", AF_INET6, AI_V4MAPPED | AI_ALL);
  CHECK((both == "2001:db8::1 ::ffff:192.0.2.1" || both == "::ffff:192.0.2.1 2001:db8::1"));
}

TEST_CASE("an alias leads to its target, which is the canonical name") {
  served dns({"--cname", "www.test=host.test", "--record", "host.test=192.0.2.9"});
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_CANONNAME;
  const std::string answer = answer_of(&weft::getaddrinfo, "www.test", "80", &hints);
  CHECK(answer.find(" 192.0.2.9 port 80 ") != answer.npos);
  CHECK(answer.find("= host.test\n") != answer.npos);
}

TEST_CASE("errors are libc's: no name, no data, server failure") {
  served dns({"--record", "one.test=192.0.2.1", "--nxdomain", "gone.test", "--servfail", "broken.test"});
  CHECK(look_up("gone.test") == error_text(EAI_NONAME));
  CHECK(look_up("gone.test", AF_UNSPEC) == error_text(EAI_NONAME));
  CHECK(look_up("broken.test") == error_text(EAI_AGAIN));
  CHECK(look_up("broken.test", AF_UNSPEC) == error_text(EAI_AGAIN));
  CHECK(look_up((std::string(70, 'x') + ".test").c_str()) == error_text(EAI_NONAME));
  try {
    weft::resolve("gone.test", 80);
    FAIL("resolved a name that does not exist");
  } catch (const weft::resolve_error& e) {
    CHECK(e.code() == EAI_NONAME);
    CHECK(std::string(e.what()).find("\"gone.test\"") != std::string::npos);
  }
}

TEST_CASE("what is no host name is not asked for") {
  served dns({"--wildcard", "test=192.0.2.1"});
  for (const char* name : {"-bad.test", "two words.test", "b\xc3\xbc" "cher.test", ""}) CHECK(look_up(name) == error_text(EAI_NONAME));
  CHECK(dns.queries().empty());
  CHECK(look_up("_srv.test") == "192.0.2.1");
}

TEST_CASE("a server that never answers is a temporary failure after the configured timeout") {
  served dns({"--silent", "mute.test"}, "options timeout:1 attempts:1\n");
  CHECK(look_up("mute.test") == error_text(EAI_AGAIN));
}

TEST_CASE("nobody listening is a temporary failure") {
  std::string conf;
  {
    served dns({"--record", "one.test=192.0.2.1"});
    CHECK(look_up("one.test") == "192.0.2.1");
    dns.stop();
    CHECK(look_up("one.test") == error_text(EAI_AGAIN));
  }
}

TEST_CASE("a lost query is sent again") {
  served dns({"--record", "one.test=192.0.2.1", "--loss", "50", "--seed", "3"}, "options timeout:1 attempts:5\n");
  CHECK(look_up("one.test") == "192.0.2.1");
}

TEST_CASE("a forged answer with another id is ignored") {
  served dns({"--record", "one.test=192.0.2.1", "--wrong-id", "one.test"});
  CHECK(look_up("one.test") == "192.0.2.1");
}

TEST_CASE("what is no answer to the question is ignored: other questions, other bytes, fragments") {
  served dns({"--record", "one.test=192.0.2.1", "--record", "two.test=192.0.2.2", "--record", "three.test=192.0.2.3", "--wrong-question",
              "one.test", "--garbage", "two.test", "--runt", "three.test"});
  CHECK(look_up("one.test") == "192.0.2.1");
  CHECK(look_up("two.test") == "192.0.2.2");
  CHECK(look_up("three.test") == "192.0.2.3");  // libc gives up here (EMSGSIZE): a forged fragment ends its look-up
}

TEST_CASE("options of resolv.conf: use-vc asks by TCP, single-request one after the other, no-aaaa leaves IPv6 out") {
  const std::vector<std::string> records{"--record", "both.test=192.0.2.1", "--record", "both.test=2001:db8::1", "--delay-ms", "20"};
  {
    served dns(records, "options use-vc\n");
    CHECK(look_up("both.test") == "192.0.2.1");
    CHECK(dns.stop()["tcp"] == 1);
  }
  {
    served dns(records, "options single-request\n");
    look_up("both.test", AF_UNSPEC);
    auto seen = dns.stop();
    CHECK(seen["queries"] == 2);
    CHECK(seen["most_in_flight"] == 1);
  }
  {
    served dns(records, "options no-aaaa\n");
    CHECK(look_up("both.test", AF_UNSPEC) == "192.0.2.1");
    CHECK(look_up("both.test", AF_INET6) == error_text(EAI_NODATA));
    CHECK(dns.queries() == std::vector<std::string>{"A both.test"});
  }
  {
    served dns(records, "options no-reload\n");
    CHECK(look_up("both.test") == "192.0.2.1");
    std::ofstream(dns.resolv_conf()) << "nameserver 127.0.0.1:1\n";
    CHECK(look_up("both.test") == "192.0.2.1");
  }
}

TEST_CASE("with edns0 an answer beyond 512 bytes needs no TCP") {
  std::vector<std::string> records;
  for (int i = 1; i <= 40; ++i) records.insert(records.end(), {"--record", "big.test=192.0.2." + std::to_string(i)});
  for (const char* option : {"options edns0\n", ""}) {
    served dns(records, option);
    const std::string all = look_up("big.test");
    CHECK(std::count(all.begin(), all.end(), ' ') == 39);
    CHECK(dns.stop()["tcp"] == (*option == '\0' ? 1 : 0));
  }
}

TEST_CASE("rotate spreads questions over the servers, and the next one answers for one that is dead") {
  weft_test::dns_process second({"--record", "one.test=192.0.2.2"});
  served first({"--record", "one.test=192.0.2.1"}, "nameserver 127.0.0.1:" + std::to_string(second.port()) + "\noptions rotate\n");
  std::vector<std::string> answers;
  for (int i = 0; i < 20; ++i) answers.push_back(look_up("one.test"));
  CHECK(std::count(answers.begin(), answers.end(), "192.0.2.1") > 0);
  CHECK(std::count(answers.begin(), answers.end(), "192.0.2.2") > 0);
  second.stop();
  for (int i = 0; i < 4; ++i) CHECK(look_up("one.test") == "192.0.2.1");
}

TEST_CASE("an answer too long for UDP comes by TCP") {
  served dns({"--record", "long.test=192.0.2.1", "--truncated", "long.test"});
  CHECK(look_up("long.test") == "192.0.2.1");
  CHECK(dns.stop()["tcp"] == 1);
}

TEST_CASE("short names go through the search list, ndots decides what comes first") {
  served dns({"--record", "db.two.test=192.0.2.2", "--record", "a.b.two.test=192.0.2.3"}, "search one.test two.test\noptions ndots:2\n");
  CHECK(look_up("db") == "192.0.2.2");
  CHECK(dns.queries() == std::vector<std::string>{"A db.one.test", "A db.two.test"});
  CHECK(look_up("a.b") == "192.0.2.3");
  CHECK(look_up("db.two.test") == "192.0.2.2");
  const auto asked = dns.queries();
  REQUIRE(asked.size() == 5);
  CHECK(asked[2] == "A a.b.one.test");
  CHECK(asked[4] == "A db.two.test");
  CHECK(look_up("db.") == error_text(EAI_NONAME));
  CHECK(dns.queries().back() == "A db");
}

TEST_CASE("the hosts file comes before the server") {
  served dns({"--record", "localhost=192.0.2.1"});
  CHECK(look_up("localhost") == "127.0.0.1");
  CHECK(dns.queries().empty());
}

TEST_CASE("resolv.conf is read again when it changes") {
  served first({"--record", "one.test=192.0.2.1"});
  served second({"--record", "one.test=192.0.2.2"});
  CHECK(look_up("one.test") == "192.0.2.2");
  std::ofstream(second.resolv_conf()) << "nameserver 127.0.0.1:" << first.port() << "\n# changed\n";
  CHECK(look_up("one.test") == "192.0.2.1");
}

TEST_CASE("a thousand look-ups are in flight at the same time") {
  served dns({"--wildcard", "many.test=192.0.2.7", "--hold", "1000"}, "options timeout:30\n");
  std::vector<weft::fiber<std::string>> fibers;
  for (int i = 0; i < 1000; ++i)
    fibers.push_back(weft::spawn([i] { return look_up(("n" + std::to_string(i) + ".many.test").c_str()); }));
  CHECK(weft::joinall(fibers) == 1000);
  for (auto& f : fibers) CHECK(f.get() == "192.0.2.7");
  auto seen = dns.stop();
  CHECK(seen["queries"] == 1000);
  CHECK(seen["most_in_flight"] == 1000);
}

TEST_CASE("a cancelled look-up ends at once, and the others go on") {
  served dns({"--silent", "mute.test", "--record", "one.test=192.0.2.1", "--delay-ms", "20"});
  auto stuck = weft::spawn([] { return look_up("mute.test"); });
  auto other = weft::spawn([] { return look_up("one.test"); });
  while (dns.queries().size() < 2) weft::this_fiber::sleep_for(1ms);
  stuck.kill();
  CHECK(stuck.was_cancelled());
  CHECK(other.get() == "192.0.2.1");
  // Nothing is left that waits for the mute one: a new look-up starts afresh.
  CHECK(look_up("one.test") == "192.0.2.1");
}

TEST_CASE("a timeout around a look-up cuts it off") {
  served dns({"--silent", "mute.test"});
  CHECK_FALSE(weft::move_on_after(20ms, [] { look_up("mute.test"); }));
  CHECK_THROWS_AS(weft::fail_after(20ms, [] { weft::resolve("mute.test", 80); }), weft::timeout_error);
}

TEST_CASE("a program may end while look-ups are under way" * doctest::skip()) {
  static served dns({"--silent", "mute.test"});
  weft::spawn([] { look_up("mute.test"); });
  weft::this_fiber::sleep_for(20ms);
}

TEST_CASE("look-ups under way do not delay the end of main") {
  const auto ended = weft_test::run_self("a program may end while look-ups are under way");
  CHECK(ended.exit_code == 0);
  CHECK(ended.err == "");
}
