// send, write and their kin: everything is sent, or the count says how much.
#include <doctest/doctest.h>

#include <csignal>

#include "sockets.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/testing.hpp"

using namespace weft_test;

TEST_CASE("send, write, sendmsg and writev come back with everything sent") {
  const std::string data = many_bytes();
  for (const bool tcp : {true, false})
    for (int call = 0; call < 4; ++call) {
      CAPTURE(tcp);
      CAPTURE(call);
      ends e = tcp ? tcp_pair() : unix_pair();
      auto writer = weft::spawn([&]() -> ssize_t {
        const iovec parts[] = {{const_cast<char*>(data.data()), 10},
                               {const_cast<char*>(data.data()) + 10, 0},
                               {const_cast<char*>(data.data()) + 10, data.size() - 20},
                               {const_cast<char*>(data.data()) + data.size() - 10, 10}};
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(parts);
        message.msg_iovlen = 4;
        ssize_t sent = -1;
        switch (call) {
          case 0: sent = weft::send(e.a, data.data(), data.size(), 0); break;
          case 1: sent = weft::write(e.a, data.data(), data.size()); break;
          case 2: sent = weft::sendmsg(e.a, &message, 0); break;
          case 3: sent = weft::writev(e.a, parts, 4); break;
        }
        e.a.reset();
        return sent;
      });
      weft::testing::wait_all_blocked();
      CHECK_FALSE(writer.done());
      CHECK(read_to_end(e.b) == data);
      CHECK(writer.get() == static_cast<ssize_t>(data.size()));
    }
}

TEST_CASE("a pipe takes everything too") {
  const std::string data = many_bytes(1 << 20);
  ends e = pipe_pair();
  auto writer = weft::spawn([&] {
    const ssize_t sent = weft::write(e.b, data.data(), data.size());
    e.b.reset();
    return sent;
  });
  CHECK(read_to_end(e.a) == data);
  CHECK(writer.get() == static_cast<ssize_t>(data.size()));
}

TEST_CASE("a send that is cut off after a part returns the part") {
  const std::string data = many_bytes();
  ends e = tcp_pair();
  weft::testing::virtual_clock clock;
  ssize_t sent = 0;
  CHECK(weft::move_on_after(1s, [&] { sent = weft::send(e.a, data.data(), data.size(), 0); }));
  CHECK(sent > 0);
  CHECK(sent < static_cast<ssize_t>(data.size()));
  CHECK(clock.elapsed() == 1s);
  // Nothing of it is lost or doubled.
  e.a.reset();
  CHECK(read_to_end(e.b) == data.substr(0, static_cast<std::size_t>(sent)));
}

TEST_CASE("a send cut off before the first byte throws") {
  const std::string data = many_bytes();
  ends e = unix_pair();
  weft::testing::virtual_clock clock;
  weft::move_on_after(1s, [&] { weft::send(e.a, data.data(), data.size(), 0); });
  bool threw = false;
  CHECK_FALSE(weft::move_on_after(1s, [&] {
    try {
      weft::send(e.a, data.data(), data.size(), 0);
    } catch (const weft::cancelled&) {
      threw = true;
      throw;
    }
  }));
  CHECK(threw);
}

TEST_CASE("a peer that goes away in the middle leaves a short count, then EPIPE") {
  const std::string data = many_bytes();
  ends e = unix_pair();
  auto writer = weft::spawn([&] { return weft::send(e.a, data.data(), data.size(), MSG_NOSIGNAL); });
  weft::testing::wait_all_blocked();
  e.b.reset();
  const ssize_t sent = writer.get();
  CHECK(sent > 0);
  CHECK(sent < static_cast<ssize_t>(data.size()));
  CHECK(weft::send(e.a, "x", 1, MSG_NOSIGNAL) == -1);
  CHECK(errno == EPIPE);
}

TEST_CASE("writing to a pipe nobody reads gives EPIPE, and SIGPIPE as the kernel's") {
  static int signals = 0;
  signals = 0;
  const auto before = std::signal(SIGPIPE, [](int) { ++signals; });
  ends e = pipe_pair();
  e.a.reset();
  CHECK(weft::write(e.b, "x", 1) == -1);
  CHECK(errno == EPIPE);
  CHECK(signals == 1);
  std::signal(SIGPIPE, before);
}

TEST_CASE("a datagram to a full queue waits until the receiver has read") {
  ends e = unix_pair(SOCK_DGRAM);
  int sent = 0;
  auto writer = weft::spawn([&] {
    for (; sent < 1000; ++sent)
      if (weft::send(e.a, "datagram", 8, 0) != 8) return;
  });
  weft::testing::wait_all_blocked();
  CHECK(sent < 1000);
  for (int i = 0; i < 1000; ++i) CHECK(get(e.b) == "datagram");
  writer.get();
  CHECK(sent == 1000);
}

TEST_CASE("bad memory gives EFAULT, also in the array of parts") {
  ends e = pipe_pair();
  CHECK(weft::write(e.b, nullptr, 5) == -1);
  CHECK(errno == EFAULT);
  CHECK(weft::writev(e.b, reinterpret_cast<const iovec*>(8), 2) == -1);
  CHECK(errno == EFAULT);
  ends s = tcp_pair();
  CHECK(weft::sendmsg(s.a, nullptr, 0) == -1);
  CHECK(errno == EFAULT);
  CHECK(weft::send(s.a, reinterpret_cast<const void*>(8), 5, 0) == -1);
  CHECK(errno == EFAULT);
}
