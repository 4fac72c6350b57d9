// The helpers for tests of programs: the clock that jumps, waiting until all is parked, shuffled schedules.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/hub_clock.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

TEST_CASE("under a virtual clock years of sleep pass at once, in the order of their deadlines") {
  const auto real = std::chrono::steady_clock::now();
  {
    weft::testing::virtual_clock clock;
    std::vector<int> order;
    std::vector<weft::fiber<>> fibers;
    for (const int hours : {500, 3, 200'000, 3, 1})
      fibers.push_back(weft::spawn([&order, hours] {
        sleep_for(std::chrono::hours(hours));
        order.push_back(hours);
      }));
    weft::joinall(fibers);
    CHECK((order == std::vector<int>{1, 3, 3, 500, 200'000}));
    CHECK(clock.elapsed() == 200'000h);
  }
  CHECK(std::chrono::steady_clock::now() - real < 1min);
}

TEST_CASE("under a virtual clock a sleep of centuries ends, after shorter ones") {
  weft::testing::virtual_clock clock;
  auto f = weft::spawn([] { sleep_for(24h * 366 * 280); });
  auto g = weft::spawn([] { sleep_for(24h * 366 * 160); });
  f.join();
  CHECK(g.done());
  CHECK(clock.elapsed() == 24h * 366 * 280);
}

TEST_CASE("virtual time stands still while anything runs, and can be moved by hand") {
  weft::testing::virtual_clock clock;
  for (int i = 0; i < 100; ++i) weft::this_fiber::yield();
  CHECK(clock.elapsed() == 0s);
  auto f = weft::spawn([] { sleep_for(10s); });
  weft::this_fiber::yield();
  clock.advance(9s);
  weft::testing::wait_all_blocked();
  CHECK_FALSE(f.done());
  clock.advance(1s);
  weft::testing::wait_all_blocked();
  CHECK(f.done());
  CHECK(clock.elapsed() == 10s);
}

TEST_CASE("real time is back when the virtual clock is gone") {
  { weft::testing::virtual_clock clock; sleep_for(1h); }
  sleep_for(1ms);
  CHECK(weft::move_on_after(1h, [] { sleep_for(1us); }));
}

TEST_CASE("a sleep of nothing yields once, and one until a past moment too") {
  int turns = 0;
  auto f = weft::spawn([&] { ++turns; });
  sleep_for(0s);
  CHECK(turns == 1);
  auto g = weft::spawn([&] { ++turns; });
  sleep_for(-3s);
  CHECK(turns == 2);
  auto k = weft::spawn([&] { ++turns; });
  weft::this_fiber::sleep_until(std::chrono::system_clock::now() - 1h);
  CHECK(turns == 3);
}

TEST_CASE("sleep_until takes points on any clock, and durations may be floating point") {
  weft::testing::virtual_clock clock;
  sleep_for(std::chrono::duration<double>(0.5));
  CHECK(clock.elapsed() == 500ms);
  weft::this_fiber::sleep_until(std::chrono::steady_clock::now() + 1h);
  CHECK(clock.elapsed() > 59min);
  CHECK(clock.elapsed() <= 1h + 500ms);
}

TEST_CASE("wait_all_blocked returns when every other fiber is parked, before time jumps") {
  weft::testing::virtual_clock clock;
  int steps = 0;
  auto f = weft::spawn([&] {
    for (int i = 0; i < 50; ++i) {
      weft::this_fiber::yield();
      ++steps;
    }
    sleep_for(1h);
    ++steps;
  });
  weft::testing::wait_all_blocked();
  CHECK(steps == 50);
  CHECK(clock.elapsed() == 0s);
  f.kill();
}

TEST_CASE("several fibers may wait for all the others to be parked") {
  weft::testing::virtual_clock clock;
  int steps = 0;
  auto busy = weft::spawn([&] {
    for (int i = 0; i < 20; ++i) {
      weft::this_fiber::yield();
      ++steps;
    }
  });
  std::vector<weft::fiber<int>> waiting;
  for (int i = 0; i < 3; ++i)
    waiting.push_back(weft::spawn([&] {
      weft::testing::wait_all_blocked();
      return steps;
    }));
  for (auto& w : waiting) CHECK(w.get() == 20);
}

TEST_CASE("wait_all_blocked can be cancelled") {
  auto busy = weft::spawn([] {
    for (;;) weft::this_fiber::yield();
  });
  bool returned = false;
  auto f = weft::spawn([&] {
    weft::testing::wait_all_blocked();
    returned = true;
  });
  for (int i = 0; i < 10; ++i) weft::this_fiber::yield();
  f.kill();
  CHECK(f.was_cancelled());
  CHECK_FALSE(returned);
  busy.kill();
}

namespace {
std::string schedule(std::uint64_t seed) {
  weft::testing::virtual_clock clock;
  weft::testing::shuffle(seed);
  std::string order;
  std::vector<weft::fiber<>> fibers;
  for (char c = 'a'; c < 'i'; ++c)
    fibers.push_back(weft::spawn([&order, c] {
      for (int i = 0; i < 3; ++i) {
        order += c;
        if (i == 1)
          sleep_for(std::chrono::milliseconds(c % 3));
        else
          weft::this_fiber::yield();
      }
    }));
  weft::joinall(fibers);
  weft::testing::shuffle(0);
  return order;
}
}  // namespace

TEST_CASE("a seed gives the same schedule each time, different seeds different ones, 0 the plain order") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const std::string first = schedule(seed);
    CHECK(first == schedule(seed));
    seen.insert(first);
  }
  CHECK(seen.size() > 45);
  const std::string plain = schedule(0);
  CHECK(plain.substr(0, 16) == "abcdefghabcdefgh");
  CHECK(plain == schedule(0));
}

TEST_CASE("a shuffled schedule runs every fiber, and each only after the ones that it waits for") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const std::string order = schedule(seed);
    CHECK(order.size() == 24);
    for (char c = 'a'; c < 'i'; ++c) CHECK(std::count(order.begin(), order.end(), c) == 3);
  }
}

TEST_CASE("the hub's clock is the virtual one while there is one, and the steady one otherwise") {
  {
    weft::testing::virtual_clock clock;
    const auto begun = weft::hub_clock::now();
    sleep_for(3s);
    CHECK(weft::hub_clock::now() - begun == 3s);
    weft::this_fiber::sleep_until(begun + 1h);
    CHECK(clock.elapsed() == 1h);
    clock.advance(1min);
    CHECK(weft::hub_clock::now() - begun == 1h + 1min);
    CHECK_FALSE(weft::move_on_at(begun + 2h, [] { sleep_for(5h); }));
    CHECK(weft::hub_clock::now() == begun + 2h);
  }
  const auto before = std::chrono::steady_clock::now().time_since_epoch();
  const auto now = weft::hub_clock::now().time_since_epoch();
  CHECK(before <= now);
  CHECK(now <= std::chrono::steady_clock::now().time_since_epoch());
}
