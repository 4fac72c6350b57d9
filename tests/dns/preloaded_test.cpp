// getaddrinfo of a program that does not know Weft, with libweft-shim.so preloaded: fibers' look-ups are in flight together, a single
// fiber's go to libc unless WEFT_RESOLV_CONF says where to ask. Weft's functions are found by name, as nothing here links Weft.
#include <doctest/doctest.h>

#include <dlfcn.h>
#include <netdb.h>

#include <cstdlib>
#include <string>

#include "addrinfo_text.hpp"
#include "dns_process.hpp"
#include "host_text.hpp"

using weft_test::addresses_of;

TEST_CASE("WEFT_RESOLV_CONF counts even when nothing else runs") {
  weft_test::dns_process dns({"--record", "one.test=192.0.2.1"});
  setenv("WEFT_RESOLV_CONF", dns.resolv_conf().c_str(), 1);
  CHECK(addresses_of(&::getaddrinfo, "one.test", AF_INET) == "192.0.2.1");
  CHECK(dns.queries() == std::vector<std::string>{"A one.test"});
  unsetenv("WEFT_RESOLV_CONF");
}

TEST_CASE("the whole family of functions is Weft's") {
  weft_test::dns_process dns({"--record", "one.test=192.0.2.1", "--record", "one.test=2001:db8::1"});
  setenv("WEFT_RESOLV_CONF", dns.resolv_conf().c_str(), 1);
  const std::string four = "one.test type 2 length 4 aliases addresses 192.0.2.1";
  CHECK(weft_test::text_of(gethostbyname("one.test")) == four);
  CHECK(weft_test::text_of(gethostbyname2("one.test", AF_INET6)) == "one.test type 10 length 16 aliases addresses 2001:db8::1");
  CHECK(weft_test::answer_by_name(gethostbyname2_r, "one.test", AF_INET) == "0: " + four);
  CHECK(weft_test::answer_by_address(gethostbyaddr_r, "192.0.2.1") == "0: " + four);
  in_addr address{htonl(0xc0000201)};
  CHECK(weft_test::text_of(gethostbyaddr(&address, sizeof address, AF_INET)) == four);
  CHECK(weft_test::answer_of_name(getnameinfo, {"192.0.2.1"}) == "one.test / http");
  char buffer[1024];
  hostent entry, *result = nullptr;
  int error = 0;
  CHECK(gethostbyname_r("one.test", &entry, buffer, sizeof buffer, &result, &error) == 0);
  CHECK(weft_test::text_of(result) == four);
  CHECK(dns.queries().size() == 7);
  unsetenv("WEFT_RESOLV_CONF");
}

TEST_CASE("a program without fibers gets libc's own answers") {
  REQUIRE(dlsym(RTLD_DEFAULT, "weft_dns_getaddrinfo") != nullptr);
  addrinfo hints{};
  hints.ai_family = AF_UNIX;
  CHECK(weft_test::answer_of(&::getaddrinfo, "localhost", "80", &hints) == weft_test::error_text(EAI_FAMILY));
  CHECK(addresses_of(&::getaddrinfo, "localhost", AF_INET) == "127.0.0.1");
}
