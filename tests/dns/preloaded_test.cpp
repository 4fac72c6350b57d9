// getaddrinfo of a program that does not know Weft, with libweft-shim.so preloaded: fibers' look-ups are in flight together, a single
// fiber's go to libc unless WEFT_RESOLV_CONF says where to ask. Weft's functions are found by name, as nothing here links Weft.
#include <doctest/doctest.h>

#include <dlfcn.h>
#include <netdb.h>

#include <cstdlib>
#include <string>

#include "addrinfo_text.hpp"
#include "dns_process.hpp"

using weft_test::addresses_of;

TEST_CASE("WEFT_RESOLV_CONF counts even when nothing else runs") {
  weft_test::dns_process dns({"--record", "one.test=192.0.2.1"});
  setenv("WEFT_RESOLV_CONF", dns.resolv_conf().c_str(), 1);
  CHECK(addresses_of(&::getaddrinfo, "one.test", AF_INET) == "192.0.2.1");
  CHECK(dns.queries() == std::vector<std::string>{"A one.test"});
  unsetenv("WEFT_RESOLV_CONF");
}

TEST_CASE("a program without fibers gets libc's own answers") {
  REQUIRE(dlsym(RTLD_DEFAULT, "weft_dns_getaddrinfo") != nullptr);
  addrinfo hints{};
  hints.ai_family = AF_UNIX;
  CHECK(weft_test::answer_of(&::getaddrinfo, "localhost", "80", &hints) == weft_test::error_text(EAI_FAMILY));
  CHECK(addresses_of(&::getaddrinfo, "localhost", AF_INET) == "127.0.0.1");
}
