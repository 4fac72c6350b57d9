// Socket addresses as values.
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "weft/endpoint.hpp"

using weft::endpoint;

TEST_CASE("an endpoint reads and shows IPv4 and IPv6 addresses") {
  CHECK(endpoint::ip("127.0.0.1", 80).to_string() == "127.0.0.1:80");
  CHECK(endpoint::ip("::1", 8080).to_string() == "[::1]:8080");
  CHECK(endpoint::ip("::1", 8080).address() == "::1");
  CHECK(endpoint::ip("fe80::1%lo", 1).address() == "fe80::1%1");
  CHECK(endpoint::ip("192.0.2.1", 65535).port() == 65535);
}

TEST_CASE("a name is no endpoint") {
  for (const char* text : {"localhost", "", "1.2.3", "::1%no-such-interface", "1.2.3.4:80"})
    CHECK_THROWS_AS(endpoint::ip(text, 80), std::invalid_argument);
}

TEST_CASE("Unix paths are shown as such, abstract ones with an @") {
  CHECK(endpoint::unix_path("/run/x").to_string() == "unix:/run/x");
  CHECK(endpoint::unix_path("@x").to_string() == "unix:@x");
  CHECK_FALSE(endpoint::unix_path("@x") == endpoint::unix_path("x"));
  CHECK(endpoint::unix_path(std::string(107, 'p')).address().size() == 107);
  CHECK_THROWS_AS(endpoint::unix_path(std::string(108, 'p')), std::invalid_argument);
  CHECK_THROWS_AS(endpoint::unix_path(""), std::invalid_argument);
}

TEST_CASE("endpoints compare by what they name") {
  CHECK(endpoint::ip("127.0.0.1", 80) == endpoint::ip("127.0.0.1", 80));
  CHECK_FALSE(endpoint::ip("127.0.0.1", 80) == endpoint::ip("127.0.0.1", 81));
  CHECK_FALSE(endpoint::ip("::ffff:127.0.0.1", 80) == endpoint::ip("127.0.0.1", 80));
  CHECK(endpoint() == endpoint());
  CHECK_FALSE(endpoint());
  CHECK(endpoint().to_string() == "(no address)");
}
