// Who answers: Weft's resolver, or with WEFT_RESOLVER=libc libc's own, whose system calls park through the rewritten sites. And what a
// program in C sees of a look-up that was cancelled, whoever was to answer.
#include <doctest/doctest.h>

#include <resolv.h>

#include <chrono>
#include <cstdlib>

#include "addrinfo_text.hpp"
#include "child.hpp"
#include "dns_process.hpp"
#include "host_text.hpp"
#include "weft/cancel.hpp"
#include "weft/dns.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/patch.hpp"

extern "C" {
int weft_dns_getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result);
int weft_dns_getnameinfo(const sockaddr* a, socklen_t size, char* host, socklen_t host_size, char* service, socklen_t service_size, int);
int weft_dns_gethostbyname2_r(const char* name, int family, hostent* entry, char* buffer, size_t size, hostent** result, int* error);
hostent* weft_dns_gethostbyname2(const char* name, int family);
}

using namespace std::chrono_literals;
using namespace weft_test;

namespace {

void point_libc_at(int port) {
  res_init();
  _res.nscount = 1;
  _res.nsaddr_list[0].sin_family = AF_INET;
  _res.nsaddr_list[0].sin_port = htons(static_cast<uint16_t>(port));
  _res.nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  _res.retrans = 5;
  _res.retry = 2;
  _res.dnsrch[0] = nullptr;
}

// Runs `question` in a fiber and cancels it while the server keeps silent.
template <class Question>
std::string cancelled(const dns_process& server, Question question) {
  const auto asked = server.queries().size();
  std::string answer;
  bool begun = false;
  auto f = weft::spawn([&] {
    begun = true;
    answer = question();
  });
  // What the one before had asked may be counted only now.
  while (!begun || server.queries().size() == asked) weft::this_fiber::sleep_for(1ms);
  f.kill();
  return answer;
}

void everything_ends_with_ecanceled(const dns_process& server) {
  CHECK(cancelled(server, [] {
          addrinfo* list = nullptr;
          const int error = weft_dns_getaddrinfo("mute.test", "80", nullptr, &list);
          const int number = errno;
          return std::to_string(error) + " " + std::to_string(number);
        }) == std::to_string(EAI_SYSTEM) + " " + std::to_string(ECANCELED));
  const std::string number = std::to_string(ECANCELED);
  CHECK(cancelled(server, [] { return answer_by_name(weft_dns_gethostbyname2_r, "mute.test", AF_INET); }) ==
        number + ": nothing, h_errno -1 errno " + number);
  CHECK(cancelled(server, [] { return text_with_h_errno(weft_dns_gethostbyname2("mute.test", AF_INET)); }) == "nothing, h_errno -1");
  CHECK(cancelled(server, [] { return answer_of_name(weft_dns_getnameinfo, {"192.0.2.99"}); }) ==
        "error " + std::to_string(EAI_SYSTEM));
  bool thrown = false;
  cancelled(server, [&] {
    try {
      addrinfo* list = nullptr;
      weft::getaddrinfo("mute.test", "80", nullptr, &list);
    } catch (const weft::cancelled&) {
      thrown = true;
      throw;
    }
    return std::string();
  });
  CHECK(thrown);
}

const std::vector<std::string> mute_zone{"--silent", "mute.test", "--silent", "99.2.0.192.in-addr.arpa"};

}  // namespace

TEST_CASE("a cancelled look-up fails with ECANCELED") {
  dns_process server(mute_zone);
  setenv("WEFT_RESOLV_CONF", server.resolv_conf().c_str(), 1);
  everything_ends_with_ecanceled(server);
  unsetenv("WEFT_RESOLV_CONF");
}

TEST_CASE("by libc" * doctest::skip()) {
  ::alarm(50);
  weft::patch_all();
  REQUIRE(weft::patch_info().sites_patched > 0);
  {
    dns_process server({"--wildcard", "w.test=192.0.2.7", "--delay-ms", "30"});
    point_libc_at(server.port());
    std::vector<weft::fiber<std::string>> fibers;
    for (int i = 0; i < 5; ++i)
      fibers.push_back(weft::spawn([i] { return addresses_of(&weft::getaddrinfo, ("n" + std::to_string(i) + ".w.test").c_str(),
          AF_INET); }));
    int turns = 0;
    auto ticker = weft::spawn([&] {
      for (;; ++turns) weft::this_fiber::sleep_for(1ms);
    });
    for (auto& f : fibers) CHECK(f.get() == "192.0.2.7");
    ticker.kill();
    CHECK(turns > 3);  // the thread was not held up for as long as a look-up takes
    CHECK(server.queries().size() == 5);
    CHECK(server.stop()["most_in_flight"] == 1);  // one at a time, none lost
    CHECK(weft::this_hub().stats().parks > 5);
  }
  dns_process server(mute_zone);
  point_libc_at(server.port());
  everything_ends_with_ecanceled(server);
}

TEST_CASE("WEFT_RESOLVER=libc has libc answer, cooperatively") {
  const child_result r = run_self("by libc", {"WEFT_RESOLVER=libc", "WEFT_RESOLV_CONF"});
  CHECK_MESSAGE(r.exit_code == 0, r.out, r.err);
}

TEST_CASE("one look-up" * doctest::skip()) {
  addrinfo* list = nullptr;
  CHECK(weft::getaddrinfo("127.0.0.1", "80", nullptr, &list) == 0);
  freeaddrinfo(list);
  CHECK(addresses_of(&weft::getaddrinfo, "localhost", AF_INET) == "127.0.0.1");
}

TEST_CASE("a word that WEFT_RESOLVER does not know is named") {
  const child_result r = run_self("one look-up", {"WEFT_RESOLVER=bind"});
  CHECK(r.exit_code == 0);
  CHECK(r.err.find("WEFT_RESOLVER=bind") != std::string::npos);
}
