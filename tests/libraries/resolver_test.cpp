// getaddrinfo as any library calls it, in fibers of one OS thread against the DNS server of tests/support: slow, lossy, lying. With
// the shim its symbols lead to Weft's resolver; with patch_all() alone this program's own calls are pointed there.
#include "together.hpp"

#include <netdb.h>

#include <fstream>

#include "../dns/addrinfo_text.hpp"
#include "dns_process.hpp"

using weft_test::addresses_of;
using weft_test::error_text;
using weft_test::many;

namespace {

// The server that /etc/resolv.conf names (run.py gave this process one of its own); where that was impossible, a server that
// WEFT_RESOLV_CONF names.
class served : public weft_test::dns_process {
public:
  // Named `times` times, it is asked as often as that in each attempt: however many answers are lost, one comes.
  explicit served(std::vector<std::string> zone, const std::string& options = "timeout:20", int times = 1)
      : dns_process(at_its_place(std::move(zone))) {
    if (const char* address = std::getenv("WEFT_TEST_NAME_SERVER")) {
      std::ofstream file(weft_test::setting("WEFT_TEST_RESOLV_CONF"));
      for (int i = 0; i < times; ++i) file << "nameserver " << address << "\n";
      file << "options " << options << "\n";
    } else {
      std::ofstream(resolv_conf(), std::ios::app) << "options " << options << "\n";
      setenv("WEFT_RESOLV_CONF", resolv_conf().c_str(), 1);
    }
  }
  ~served() { unsetenv("WEFT_RESOLV_CONF"); }

private:
  static std::vector<std::string> at_its_place(std::vector<std::string> zone) {
    if (const char* address = std::getenv("WEFT_TEST_NAME_SERVER")) zone.insert(zone.end(), {"--address", address, "--port", "53"});
    return zone;
  }
};

std::string name(int i) { return "host" + std::to_string(i) + ".many.test"; }
std::string address(int i) { return "192.0.2." + std::to_string(i + 1); }

std::vector<std::string> records(std::vector<std::string> zone) {
  for (int i = 0; i < many; ++i) zone.insert(zone.end(), {"--record", name(i) + "=" + address(i)});
  return zone;
}

// Called as it is compiled: taken by its address, this program's copy of it would be found by another kind of slot.
int ask_libc(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  return ::getaddrinfo(node, service, hints, result);
}
std::string look_up(const std::string& host, int flags = 0) { return addresses_of(&ask_libc, host.c_str(), AF_INET, flags); }

}  // namespace

TEST_CASE("100 fibers have 100 look-ups in flight at once and each gets its own answer") {
  served dns(records({"--hold", std::to_string(many)}));
  weft_test::together(many, [](int i) { CHECK(look_up(name(i)) == address(i)); });
  const auto stats = dns.stop();
  CHECK(stats.at("queries") == many);  // nothing was asked twice
  CHECK(stats.at("most_in_flight") == many);
}

TEST_CASE("lost answers are asked for again") {
  served dns(records({"--loss", "30", "--seed", "7"}), "timeout:1 attempts:5", 2);
  weft_test::together(10, [](int i) { CHECK(look_up(name(i)) == address(i)); });
  const auto stats = dns.stop();
  CHECK(stats.at("dropped") > 0);
}

TEST_CASE("forged, truncated and failing answers get what they deserve") {
  served dns(records({"--wrong-id", name(0), "--truncated", name(1), "--nxdomain", name(2), "--servfail", name(3), "--cname",
                      "alias.test=" + name(4)}));
  weft_test::together(30, [](int i) {
    switch (i % 6) {
      case 0: CHECK(look_up(name(0)) == address(0)); break;
      case 1: CHECK(look_up(name(1)) == address(1)); break;
      case 2: CHECK(look_up(name(2)) == error_text(EAI_NONAME)); break;
      case 3: CHECK(look_up(name(3)) == error_text(EAI_AGAIN)); break;
      case 4: CHECK(look_up("alias.test") == address(4)); break;
      case 5:
        CHECK(look_up(name(5), AI_NUMERICHOST) == error_text(EAI_NONAME));
        weft::this_fiber::sleep_for(std::chrono::milliseconds(1));
        break;
    }
  });
  CHECK(dns.stop().at("tcp") > 0);
}
