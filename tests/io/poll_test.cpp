// poll, select, wait_readable and wait_writable.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <vector>

#include "sockets.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace weft_test;

TEST_CASE("poll parks until one of its descriptors is ready, and tells which") {
  ends one = tcp_pair(), two = unix_pair();
  auto waiting = weft::spawn([&] {
    pollfd fds[] = {{one.a, POLLIN, 0}, {-1, POLLIN, 77}, {two.a, POLLIN, 0}};
    const int n = weft::poll(fds, 3, -1);
    CHECK(fds[0].revents == 0);
    CHECK(fds[1].revents == 0);
    CHECK(fds[2].revents == POLLIN);
    return n;
  });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiting.done());
  put(two.b, "x");
  CHECK(waiting.get() == 1);
}

TEST_CASE("poll times out after exactly its timeout") {
  ends e = unix_pair();
  weft::testing::virtual_clock clock;
  pollfd fd{e.a, POLLIN, 0};
  CHECK(weft::poll(&fd, 1, 1234) == 0);
  CHECK(clock.elapsed() == 1234ms);
  CHECK(weft::poll(nullptr, 0, 10) == 0);
  CHECK(clock.elapsed() == 1244ms);
  CHECK(weft::poll(&fd, 1, 0) == 0);
  CHECK(clock.elapsed() == 1244ms);
}

TEST_CASE("poll reports hang-up, error and invalid descriptors unasked") {
  ends e = pipe_pair();
  auto waiting = weft::spawn([&] {
    pollfd fd{e.a, 0, 0};
    return weft::poll(&fd, 1, -1) == 1 ? fd.revents : 0;
  });
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiting.done());
  REQUIRE(::write(e.b, "data is no reason", 17) == 17);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(waiting.done());
  e.b.reset();
  CHECK(waiting.get() == POLLHUP);
  pollfd bad{54321, POLLIN, 0};
  CHECK(weft::poll(&bad, 1, -1) == 1);
  CHECK(bad.revents == POLLNVAL);
  CHECK(weft::poll(reinterpret_cast<pollfd*>(8), 1, -1) == -1);
  CHECK(errno == EFAULT);
}

TEST_CASE("poll hears of the peer's half close and of urgent data") {
  ends e = tcp_pair();
  auto half = weft::spawn([&] {
    pollfd fd{e.a, POLLRDHUP, 0};
    return weft::poll(&fd, 1, -1) == 1 ? fd.revents : 0;
  });
  auto urgent = weft::spawn([&] {
    pollfd fd{e.a, POLLPRI, 0};
    return weft::poll(&fd, 1, -1) == 1 ? fd.revents : 0;
  });
  weft::testing::wait_all_blocked();
  ::send(e.b, "!", 1, MSG_OOB);
  CHECK(urgent.get() == POLLPRI);
  CHECK_FALSE(half.done());
  ::shutdown(e.b, SHUT_WR);
  CHECK(half.get() == POLLRDHUP);
}

TEST_CASE("poll on a descriptor that is closed meanwhile says so") {
  ends e = unix_pair();
  auto waiting = weft::spawn([&] {
    pollfd fd{e.a, POLLIN, 0};
    return weft::poll(&fd, 1, -1) == 1 ? fd.revents : 0;
  });
  weft::testing::wait_all_blocked();
  e.a.reset();
  CHECK(waiting.get() == POLLNVAL);
}

TEST_CASE("poll of many descriptors, the same one twice among them") {
  std::vector<ends> all;
  for (int i = 0; i < 100; ++i) all.push_back(unix_pair());
  std::vector<pollfd> fds;
  for (auto& e : all) fds.push_back({e.a, POLLIN, 0});
  fds.push_back({all[99].a, POLLIN, 0});
  auto waiting = weft::spawn([&] { return weft::poll(fds.data(), fds.size(), -1); });
  weft::testing::wait_all_blocked();
  put(all[99].b, "x");
  CHECK(waiting.get() == 2);
  CHECK(fds[99].revents == POLLIN);
  CHECK(fds[100].revents == POLLIN);
  CHECK(get(all[99].a) == "x");
  put(all[50].b, "x");
  CHECK(weft::poll(fds.data(), fds.size(), -1) == 1);
  CHECK(fds[50].revents == POLLIN);
}

TEST_CASE("a poll that is cancelled leaves nothing behind") {
  ends e = unix_pair();
  weft::testing::virtual_clock clock;
  pollfd fd{e.a, POLLIN, 0};
  CHECK_FALSE(weft::move_on_after(1s, [&] { weft::poll(&fd, 1, -1); }));
  put(e.b, "x");
  CHECK(get(e.a) == "x");
  CHECK(weft::poll(&fd, 1, 5) == 0);
}

TEST_CASE("select parks, answers in its sets and gives back the time that was left") {
  ends one = unix_pair(), two = unix_pair();
  weft::testing::virtual_clock clock;
  auto later = weft::spawn([&] {
    weft::this_fiber::sleep_for(2s);
    put(two.b, "x");
  });
  fd_set in, out;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_SET(one.a, &in);
  FD_SET(two.a, &in);
  timeval limit{5, 0};
  const int top = std::max(one.a, two.a) + 1;
  CHECK(weft::select(top, &in, nullptr, nullptr, &limit) == 1);
  CHECK_FALSE(FD_ISSET(one.a, &in));
  CHECK(FD_ISSET(two.a, &in));
  CHECK(limit.tv_sec == 3);
  CHECK(clock.elapsed() == 2s);
  FD_SET(one.a, &in);
  FD_CLR(two.a, &in);
  limit = {1, 500'000};
  CHECK(weft::select(top, &in, &out, nullptr, &limit) == 0);
  CHECK_FALSE(FD_ISSET(one.a, &in));
  CHECK(clock.elapsed() == 3500ms);
  CHECK(limit.tv_sec == 0);
  CHECK(limit.tv_usec == 0);
  FD_SET(one.a, &out);
  CHECK(weft::select(top, nullptr, &out, nullptr, nullptr) == 1);
  CHECK(FD_ISSET(one.a, &out));
}

TEST_CASE("select refuses what the kernel refuses") {
  fd_set in;
  FD_ZERO(&in);
  CHECK(weft::select(-1, &in, nullptr, nullptr, nullptr) == -1);
  CHECK(errno == EINVAL);
  FD_SET(700, &in);
  CHECK(weft::select(701, &in, nullptr, nullptr, nullptr) == -1);
  CHECK(errno == EBADF);
  CHECK(weft::select(10, reinterpret_cast<fd_set*>(8), nullptr, nullptr, nullptr) == -1);
  CHECK(errno == EFAULT);
  timeval bad{-1, 0};
  CHECK(weft::select(0, nullptr, nullptr, nullptr, &bad) == -1);
  CHECK(errno == EINVAL);
}

TEST_CASE("wait_readable and wait_writable") {
  ends e = tcp_pair();
  weft::testing::virtual_clock clock;
  CHECK_FALSE(weft::wait_readable(e.a, 2s));
  CHECK(clock.elapsed() == 2s);
  CHECK(weft::wait_writable(e.a));
  auto waiting = weft::spawn([&] { return weft::wait_readable(e.a); });
  weft::testing::wait_all_blocked();
  put(e.b, "x");
  CHECK(waiting.get());
  CHECK(get(e.a) == "x");
  auto closed = weft::spawn([&] {
    try {
      weft::wait_readable(e.a);
      return 0;
    } catch (const std::system_error& error) {
      return error.code().value();
    }
  });
  weft::testing::wait_all_blocked();
  e.a.reset();
  CHECK(closed.get() == EBADF);
}
