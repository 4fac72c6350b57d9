// Waiting for fibers: join, get, their timed forms, joinall, killall and links.
#include <doctest/doctest.h>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

namespace {
std::vector<weft::fiber<int>> sleepers(std::initializer_list<int> seconds) {
  std::vector<weft::fiber<int>> v;
  for (const int s : seconds)
    v.push_back(weft::spawn([s] {
      sleep_for(std::chrono::seconds(s));
      return s;
    }));
  return v;
}
}  // namespace

TEST_CASE("join waits for the end and does not throw the fiber's failure") {
  weft::testing::virtual_clock clock;
  auto f = weft::spawn([] {
    sleep_for(3s);
    throw std::runtime_error("kept");
  });
  f.join();
  CHECK(clock.elapsed() == 3s);
  CHECK(f.done());
  CHECK_FALSE(f.successful());
  CHECK_FALSE(f.was_cancelled());
  REQUIRE(f.exception() != nullptr);
  CHECK_THROWS_WITH(std::rethrow_exception(f.exception()), "kept");
  f.join();
}

TEST_CASE("done, successful, exception and was_cancelled tell the four states apart") {
  auto ok = weft::spawn([] { return 1; });
  auto bad = weft::spawn([] { throw 1; });
  auto stopped = weft::spawn([] { sleep_for(1h); });
  CHECK_FALSE(ok.done());
  CHECK_FALSE(ok.successful());
  CHECK(ok.exception() == nullptr);
  weft::testing::wait_all_blocked();
  CHECK(ok.successful());
  CHECK(ok.exception() == nullptr);
  CHECK_FALSE(bad.successful());
  CHECK(bad.exception() != nullptr);
  CHECK_FALSE(stopped.done());
  stopped.kill();
  CHECK(stopped.done());
  CHECK(stopped.was_cancelled());
  CHECK_FALSE(stopped.successful());
  CHECK(stopped.exception() == nullptr);
}

TEST_CASE("join_for tells whether the fiber ended in time, and can be called again") {
  weft::testing::virtual_clock clock;
  auto f = weft::spawn([] { sleep_for(10s); });
  CHECK_FALSE(f.join_for(4s));
  CHECK(clock.elapsed() == 4s);
  CHECK_FALSE(f.join_for(0s));
  CHECK_FALSE(f.join_for(-1s));
  CHECK(f.join_for(7s));
  CHECK(clock.elapsed() == 10s);
  CHECK(f.join_for(0s));
}

TEST_CASE("get_for throws timeout_error, and leaves the result for a later get") {
  weft::testing::virtual_clock clock;
  auto f = weft::spawn([] {
    sleep_for(10s);
    return 5;
  });
  CHECK_THROWS_AS(f.get_for(1s), weft::timeout_error);
  CHECK(f.get_for(1h) == 5);
  CHECK(clock.elapsed() == 10s);
}

TEST_CASE("getting the result of a cancelled fiber throws fiber_cancelled, not cancelled") {
  auto f = weft::spawn([] {
    sleep_for(1h);
    return 1;
  });
  weft::this_fiber::yield();
  f.cancel();
  CHECK_THROWS_AS(f.get(), weft::fiber_cancelled);
  CHECK_THROWS_AS(f.get(), weft::fiber_cancelled);
}

TEST_CASE("a fiber that joins itself is told so") {
  weft::fiber<> f;
  bool told = false, told_get = false, told_all = false, told_count = false;
  f = weft::spawn([&] {
    try { f.join(); } catch (const weft::self_join&) { told = true; }
    try { f.get(); } catch (const weft::self_join&) { told_get = true; }
    std::vector<weft::any_fiber> me{f, weft::this_fiber::current()};
    try { weft::joinall(me); } catch (const weft::self_join&) { told_all = true; }
    try { weft::joinall(me, {.count = 1}); } catch (const weft::self_join&) { told_count = true; }
  });
  f.join();
  CHECK(told);
  CHECK(told_get);
  CHECK(told_all);
  CHECK(told_count);
  CHECK_THROWS_AS(weft::this_fiber::current().join(), weft::self_join);
}

TEST_CASE("many fibers may join one, and all hear of its end in the order in which they came") {
  weft::testing::virtual_clock clock;
  auto f = weft::spawn([] { sleep_for(5s); });
  std::vector<int> order;
  std::vector<weft::fiber<>> joiners;
  for (int i = 0; i < 20; ++i)
    joiners.push_back(weft::spawn([&, i] {
      f.join();
      order.push_back(i);
    }));
  weft::joinall(joiners);
  for (int i = 0; i < 20; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a cancelled join leaves the joined fiber alone") {
  weft::testing::virtual_clock clock;
  auto f = weft::spawn([] {
    sleep_for(10s);
    return 3;
  });
  CHECK_FALSE(weft::move_on_after(1s, [&] { f.join(); }));
  CHECK(clock.elapsed() == 1s);
  CHECK_FALSE(f.done());
  CHECK(f.get() == 3);
}

TEST_CASE("joinall waits for all and counts them, failed and cancelled ones too") {
  weft::testing::virtual_clock clock;
  auto v = sleepers({3, 1, 2});
  v.push_back(weft::spawn([]() -> int { throw std::runtime_error("one"); }));
  v.push_back(weft::spawn([] { return 0; }));
  v.back().cancel();
  CHECK(weft::joinall(v) == 5);
  CHECK(clock.elapsed() == 3s);
  CHECK(v[3].exception() != nullptr);
  CHECK(weft::joinall(v) == 5);
  CHECK(weft::joinall(std::vector<weft::any_fiber>{}) == 0);
}

TEST_CASE("joinall with a timeout returns how many were done by then") {
  weft::testing::virtual_clock clock;
  auto v = sleepers({1, 2, 30, 40});
  CHECK(weft::joinall(v, {.timeout = 5s}) == 2);
  CHECK(clock.elapsed() == 5s);
  CHECK(weft::joinall(v, {.timeout = 0s}) == 2);
  CHECK(weft::joinall(v, {.timeout = 25s, .count = 4}) == 3);
  CHECK(clock.elapsed() == 30s);
  weft::killall(v);
}

TEST_CASE("joinall with a count returns when that many are done, whichever they are") {
  weft::testing::virtual_clock clock;
  auto v = sleepers({30, 2, 20, 1});
  CHECK(weft::joinall(v, {.count = 2}) == 2);
  CHECK(clock.elapsed() == 2s);
  CHECK(v[1].done());
  CHECK(v[3].done());
  CHECK(weft::joinall(v, {.count = 1}) == 2);
  CHECK(weft::joinall(v, {.count = 99}) == 4);
  CHECK(clock.elapsed() == 30s);
}

TEST_CASE("joinall with raise_error throws the first failure as soon as it happens") {
  weft::testing::virtual_clock clock;
  auto v = sleepers({1, 100});
  v.push_back(weft::spawn([]() -> int { sleep_for(9s); throw std::runtime_error("second"); }));
  v.push_back(weft::spawn([]() -> int { sleep_for(5s); throw std::runtime_error("first"); }));
  CHECK_THROWS_WITH(weft::joinall(v, {.raise_error = true}), "first");
  CHECK(clock.elapsed() == 5s);
  CHECK(v[3].exception() != nullptr);
  weft::killall(v);
  CHECK(v[2].was_cancelled());
}

TEST_CASE("of two failures at the same moment raise_error throws the one that came first") {
  std::vector<weft::fiber<>> v(2);
  weft::fiber<> second = weft::spawn([&] {
    v[0].join();
  });
  // The order of the range is not the order of completion.
  v[1] = weft::spawn([] { throw std::runtime_error("came first"); });
  v[0] = weft::spawn([] { throw std::runtime_error("came second"); });
  second.cancel();
  CHECK_THROWS_WITH(weft::joinall(v, {.raise_error = true}), "came first");
  (void)v[0].exception();
}

TEST_CASE("a cancelled joinall leaves the fibers alone and its links behind nowhere") {
  weft::testing::virtual_clock clock;
  auto v = sleepers({10, 20});
  CHECK_FALSE(weft::move_on_after(1s, [&] { weft::joinall(v); }));
  CHECK_FALSE(weft::move_on_after(1s, [&] { weft::joinall(v, {.count = 1}); }));
  CHECK(weft::joinall(v) == 2);
  CHECK(clock.elapsed() == 20s);
}

TEST_CASE("killall cancels all and waits for them") {
  weft::testing::virtual_clock clock;
  int unwound = 0;
  struct on_exit {
    int& n;
    ~on_exit() { ++n; }
  };
  std::vector<weft::fiber<>> v;
  for (int i = 0; i < 5; ++i)
    v.push_back(weft::spawn([&] {
      on_exit e{unwound};
      sleep_for(1h);
    }));
  weft::this_fiber::yield();
  v.push_back(weft::spawn([&] { ++unwound; }));  // never begins
  CHECK(weft::killall(v));
  CHECK(unwound == 5);
  CHECK(clock.elapsed() == 0s);
  for (auto& f : v) CHECK(f.was_cancelled());
}

TEST_CASE("killall with a timeout says when a fiber would not end") {
  weft::testing::virtual_clock clock;
  std::vector<weft::fiber<>> v{weft::spawn([] { weft::shield([] { sleep_for(10s); }); }), weft::spawn([] { sleep_for(1h); })};
  weft::this_fiber::yield();
  CHECK_FALSE(weft::killall(v, 2s));
  CHECK(clock.elapsed() == 2s);
  CHECK(v[1].done());
  CHECK_FALSE(v[0].done());
  CHECK(weft::killall(v, 1min));
  CHECK(clock.elapsed() == 10s);
}

TEST_CASE("links run after the fiber's end, in the order in which they were added, each in a fiber of its own") {
  std::vector<int> order;
  const void* inside = nullptr;
  auto f = weft::spawn([] { throw std::runtime_error("seen by the link"); });
  for (int i = 0; i < 5; ++i)
    f.link([&, i](weft::any_fiber g) {
      CHECK(g == f);
      CHECK(g.done());
      CHECK(g.exception() != nullptr);
      inside = weft::this_fiber::current().id();
      if (i == 2) sleep_for(1ms);  // the others do not wait for it
      order.push_back(i);
    });
  CHECK(order.empty());
  f.join();
  weft::testing::virtual_clock clock;
  sleep_for(1s);
  CHECK((order == std::vector<int>{0, 1, 3, 4, 2}));
  CHECK(inside != f.id());
}

TEST_CASE("a link added after the end runs too") {
  auto f = weft::spawn([] {});
  f.join();
  bool ran = false;
  f.link([&](weft::any_fiber) { ran = true; });
  CHECK_FALSE(ran);
  weft::testing::wait_all_blocked();
  CHECK(ran);
}

TEST_CASE("a linked fiber outlives its handle until the links have run") {
  bool ran = false;
  weft::spawn([] { return std::string(1000, 'x'); }).link([&](weft::any_fiber f) { ran = f.successful(); });
  weft::testing::wait_all_blocked();
  CHECK(ran);
}
