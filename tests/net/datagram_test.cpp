// Datagram sockets on loopback.
#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>

#include "weft/cancel.hpp"
#include "weft/datagram.hpp"
#include "weft/fiber.hpp"

using namespace std::chrono_literals;
using weft::datagram_socket;
using weft::endpoint;

TEST_CASE("datagrams go to and fro, each with its sender") {
  datagram_socket server(endpoint::ip("127.0.0.1", 0));
  auto echo = weft::spawn([&] {
    for (int i = 0; i < 2; ++i) {
      const auto [text, from] = server.receive_from();
      server.send_to(from, "echo " + text);
    }
  });
  datagram_socket client(endpoint::ip("127.0.0.1", 0));
  client.send_to(server.local_endpoint(), "one");
  const auto [text, from] = client.receive_from();
  CHECK(text == "echo one");
  CHECK(from == server.local_endpoint());

  datagram_socket fixed = datagram_socket::unbound(AF_INET);
  fixed.connect(server.local_endpoint());
  fixed.send("two");
  CHECK(fixed.receive_from().first == "echo two");
  echo.get();
}

TEST_CASE("an empty datagram is one, and what is too long is cut and counted") {
  datagram_socket a(endpoint::ip("127.0.0.1", 0)), b(endpoint::ip("127.0.0.1", 0));
  a.send_to(b.local_endpoint(), "");
  CHECK(b.receive_from().first == "");
  a.send_to(b.local_endpoint(), "123456");
  char three[3];
  CHECK(b.receive_from(three, sizeof three) == 6);
  CHECK(std::string(three, 3) == "123");
  a.send_to(b.local_endpoint(), "123456");
  CHECK(b.receive_from(4).first == "1234");
}

TEST_CASE("a datagram that no network carries is EMSGSIZE") {
  datagram_socket a(endpoint::ip("127.0.0.1", 0));
  try {
    a.send_to(a.local_endpoint(), std::string(70000, 'x'));
    FAIL("70,000 bytes in one datagram");
  } catch (const std::system_error& e) {
    CHECK(e.code().value() == EMSGSIZE);
  }
}

TEST_CASE("waiting for a datagram can be cut off") {
  datagram_socket a(endpoint::ip("127.0.0.1", 0));
  CHECK_FALSE(weft::move_on_after(1ms, [&] { a.receive_from(); }));
}
