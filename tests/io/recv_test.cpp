// recv and its kin: parking, ends of streams, and the remembered "drained" that must never hide data.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "sockets.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace weft_test;

TEST_CASE("a recv with nothing to read parks its fiber only") {
  for (const bool tcp : {true, false}) {
    ends e = tcp ? tcp_pair() : unix_pair();
    std::string got;
    auto reader = weft::spawn([&] { got = get(e.a); });
    weft::testing::wait_all_blocked();
    CHECK_FALSE(reader.done());
    put(e.b, "hello");
    reader.get();
    CHECK(got == "hello");
  }
}

TEST_CASE("recv after recv on one connection sees every message") {
  ends e = tcp_pair();
  auto echo = weft::spawn([&] {
    for (;;) {
      const std::string text = get(e.b, 512);
      if (text.empty()) return;
      weft::send(e.b, text.data(), text.size(), MSG_NOSIGNAL);
    }
  });
  for (int i = 0; i < 200; ++i) {
    const std::string text = "message " + std::to_string(i);
    put(e.a, text);
    CHECK(get(e.a, 512) == text);
  }
  e.a.reset();
  echo.get();
}

TEST_CASE("recv returns 0 at the end of the stream, again and again") {
  ends e = tcp_pair();
  auto reader = weft::spawn([&] { return get(e.a); });
  weft::testing::wait_all_blocked();
  e.b.reset();
  CHECK(reader.get() == "");
  CHECK(get(e.a) == "");
  CHECK(get(e.a) == "");
}

TEST_CASE("data and FIN that come together are both seen") {
  for (int round = 0; round < 50; ++round) {
    ends e = tcp_pair();
    auto reader = weft::spawn([&] {
      const std::string first = get(e.a, 4096);
      return first + "|" + get(e.a, 4096);
    });
    if (round % 2 == 0) weft::testing::wait_all_blocked();
    put(e.b, "last words");
    e.b.reset();
    CHECK(reader.get() == "last words|");
  }
}

TEST_CASE("FIN after a drained read wakes the next recv") {
  ends e = tcp_pair();
  put(e.b, "x");
  CHECK(get(e.a) == "x");
  auto reader = weft::spawn([&] { return get(e.a); });
  weft::testing::wait_all_blocked();
  e.b.reset();
  CHECK(reader.get() == "");
}

TEST_CASE("data that came while nobody was parked is found after a drained read") {
  ends e = tcp_pair();
  put(e.b, "one");
  CHECK(get(e.a) == "one");
  put(e.b, "two");
  CHECK(get(e.a) == "two");
  auto other = weft::spawn([&] {
    put(e.b, "three");
    weft::this_fiber::yield();
    put(e.b, "four");
  });
  CHECK(get(e.a, 5) == "three");
  other.join();
  CHECK(get(e.a) == "four");
}

TEST_CASE("a reset connection gives ECONNRESET to the parked recv") {
  ends e = tcp_pair();
  auto reader = weft::spawn([&] { return get(e.a); });
  weft::testing::wait_all_blocked();
  reset_connection(e.b);
  CHECK(reader.get() == "errno " + std::to_string(ECONNRESET));
}

TEST_CASE("bytes behind the urgent mark are not taken for an empty socket") {
  for (int parked = 0; parked < 2; ++parked) {
    ends e = tcp_pair();
    std::string all;
    auto reader = weft::spawn([&] {
      while (all.size() < 6) {
        const std::string part = get(e.a, 64);
        if (part.empty()) break;
        all += part;
      }
    });
    if (parked) weft::testing::wait_all_blocked();
    put(e.b, "abc");
    ::send(e.b, "!", 1, MSG_OOB);
    put(e.b, "def");
    reader.get();
    CHECK(all == "abcdef");
  }
}

TEST_CASE("urgent data is received on its own") {
  ends e = tcp_pair();
  put(e.b, "abc");
  ::send(e.b, "!", 1, MSG_OOB);
  CHECK(get(e.a) == "abc");
  CHECK(get(e.a, 1, MSG_OOB) == "!");
  put(e.b, "def");
  CHECK(get(e.a) == "def");
}

TEST_CASE("recv of urgent data that is not there does not wait") {
  ends e = tcp_pair();
  char c;
  CHECK(weft::recv(e.a, &c, 1, MSG_OOB) == -1);
  CHECK(errno == EINVAL);
}

TEST_CASE("MSG_DONTWAIT gives EAGAIN at once") {
  ends e = tcp_pair();
  const auto parks = weft::this_hub().stats().parks;
  char c;
  CHECK(weft::recv(e.a, &c, 1, MSG_DONTWAIT) == -1);
  CHECK(errno == EAGAIN);
  CHECK(weft::this_hub().stats().parks == parks);
}

TEST_CASE("MSG_WAITALL waits for everything, and for less at the end of the stream") {
  ends e = tcp_pair();
  auto reader = weft::spawn([&] { return get_each(e.a, {{10, MSG_WAITALL}, {10, MSG_WAITALL}}); });
  for (const char* part : {"abc", "defg", "hij", "rest"}) {
    weft::testing::wait_all_blocked();
    put(e.b, part);
  }
  e.b.reset();
  CHECK(reader.get() == "abcdefghij|rest|");
}

TEST_CASE("MSG_WAITALL does not join datagrams") {
  ends e = unix_pair(SOCK_DGRAM);
  put(e.b, "one");
  put(e.b, "two");
  CHECK(get(e.a, 64, MSG_WAITALL) == "one");
  CHECK(get(e.a, 64, MSG_WAITALL) == "two");
}

TEST_CASE("MSG_PEEK leaves the data, and parks when there is none") {
  ends e = tcp_pair();
  auto reader = weft::spawn([&] { return get_each(e.a, {{3, MSG_PEEK}, {6, 0}, {6, MSG_PEEK}, {6, 0}}); });
  weft::testing::wait_all_blocked();
  put(e.b, "abcdef");
  weft::testing::wait_all_blocked();
  put(e.b, "gh");
  CHECK(reader.get() == "abc|abcdef|gh|gh|");
}

TEST_CASE("many fibers may wait on one descriptor, and each byte goes to one of them") {
  ends e = tcp_pair();
  std::string all;
  std::vector<weft::fiber<>> readers;
  for (int i = 0; i < 20; ++i)
    readers.push_back(weft::spawn([&] {
      char c;
      if (weft::recv(e.a, &c, 1, 0) == 1) all += c;
    }));
  weft::testing::wait_all_blocked();
  put(e.b, "0123456789");
  weft::testing::wait_all_blocked();
  CHECK(all.size() == 10);
  put(e.b, "abcdefghij");
  weft::joinall(readers);
  std::sort(all.begin(), all.end());
  CHECK(all == "0123456789abcdefghij");
}

TEST_CASE("a cancelled recv leaves the descriptor as it was") {
  ends e = tcp_pair();
  weft::testing::virtual_clock clock;
  CHECK_FALSE(weft::move_on_after(3s, [&] { get(e.a); }));
  CHECK(clock.elapsed() == 3s);
  put(e.b, "later");
  CHECK(get(e.a) == "later");
  bool caught = false;
  auto reader = weft::spawn([&] {
    try {
      get(e.a);
    } catch (const weft::cancelled&) {
      caught = true;
      throw;
    }
  });
  weft::testing::wait_all_blocked();
  reader.kill();
  CHECK(caught);
  CHECK(reader.was_cancelled());
  put(e.b, "still");
  CHECK(get(e.a) == "still");
}

TEST_CASE("recvfrom tells where a datagram came from") {
  owned_fd a(weft::socket(AF_INET, SOCK_DGRAM, 0)), b(weft::socket(AF_INET, SOCK_DGRAM, 0));
  sockaddr_in at{}, from{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(a, any(at), sizeof at) == 0);
  REQUIRE(::bind(b, any(at), sizeof at) == 0);
  socklen_t size = sizeof at;
  REQUIRE(::getsockname(a, any(at), &size) == 0);
  char text[16];
  socklen_t from_size = sizeof from;
  auto reader = weft::spawn([&] { return weft::recvfrom(a, text, sizeof text, 0, any(from), &from_size); });
  weft::testing::wait_all_blocked();
  CHECK(weft::sendto(b, "dgram", 5, 0, any(at), sizeof at) == 5);
  CHECK(reader.get() == 5);
  sockaddr_in expected{};
  size = sizeof expected;
  ::getsockname(b, any(expected), &size);
  CHECK(from.sin_port == expected.sin_port);
  CHECK(weft::sendto(b, "", 0, 0, any(at), sizeof at) == 0);
  CHECK(weft::recv(a, text, sizeof text, 0) == 0);
}

TEST_CASE("a bad buffer gives EFAULT, a bad descriptor EBADF, a file ENOTSOCK") {
  ends e = tcp_pair();
  put(e.b, "x");
  CHECK(weft::recv(e.a, nullptr, 10, 0) == -1);
  CHECK(errno == EFAULT);
  CHECK(get(e.a) == "x");
  char c;
  CHECK(weft::recv(-1, &c, 1, 0) == -1);
  CHECK(errno == EBADF);
  CHECK(weft::recv(123456789, &c, 1, 0) == -1);
  CHECK(errno == EBADF);
  owned_fd null(::open("/dev/null", O_RDWR));
  CHECK(weft::recv(null, &c, 1, 0) == -1);
  CHECK(errno == ENOTSOCK);
}

TEST_CASE("a shut down socket ends its reader, also after a drained read") {
  ends e = tcp_pair();
  put(e.b, "x");
  CHECK(get(e.a) == "x");
  auto reader = weft::spawn([&] { return get(e.a); });
  weft::testing::wait_all_blocked();
  CHECK(weft::shutdown(e.a, SHUT_RD) == 0);
  CHECK(reader.get() == "");
}
