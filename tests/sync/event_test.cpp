// What weft::event promises: manual reset, order of waking, timeouts on the virtual clock, cancellation, its own hub only.
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/event.hpp>
#include <weft/fiber.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;

TEST_CASE("waiters of an event wake in the order in which they came, and later waits do not park") {
  weft::event e;
  std::vector<int> order;
  std::vector<weft::fiber<>> fibers;
  for (int i = 0; i < 5; ++i)
    fibers.push_back(weft::spawn([&, i] {
      e.wait();
      order.push_back(i);
    }));
  weft::this_fiber::yield();
  CHECK(order.empty());
  CHECK_FALSE(e.is_set());
  e.set();
  CHECK(order.empty());  // set never switches
  CHECK(e.is_set());
  CHECK(weft::joinall(fibers) == 5);
  CHECK(order == std::vector{0, 1, 2, 3, 4});
  e.wait();
  CHECK(e.wait_for(1h));
}

TEST_CASE("a waiter that set() made ready returns even when clear() follows at once; the next wait parks") {
  weft::testing::virtual_clock clock;
  weft::event e;
  int woken = 0;
  bool again = true;
  auto f = weft::spawn([&] {
    e.wait();
    ++woken;
    again = e.wait_for(1s);
  });
  weft::this_fiber::yield();
  e.set();
  e.clear();
  f.join();
  CHECK(woken == 1);
  CHECK_FALSE(again);
  CHECK(clock.elapsed() == 1s);
}

TEST_CASE("wait_for and wait_until give up at their deadline, and not before") {
  weft::testing::virtual_clock clock;
  weft::event e;
  CHECK_FALSE(e.wait_for(3s));
  CHECK(clock.elapsed() == 3s);
  CHECK_FALSE(e.wait_for(-1s));
  CHECK_FALSE(e.wait_until(std::chrono::steady_clock::now() - 1s));
  CHECK(clock.elapsed() == 3s);
  auto setter = weft::spawn([&] {
    weft::this_fiber::sleep_for(1s);
    e.set();
  });
  CHECK(e.wait_for(10s));
  CHECK(clock.elapsed() == 4s);
  setter.join();
}

TEST_CASE("a cancelled waiter leaves the event, others stay; a cancelled fiber is stopped even where the event is set") {
  weft::event e;
  auto first = weft::spawn([&] { e.wait(); });
  auto second = weft::spawn([&] { e.wait(); });
  weft::this_fiber::yield();
  first.kill();
  CHECK(first.was_cancelled());
  CHECK_FALSE(second.done());
  e.set();
  second.join();
  CHECK(second.successful());
  bool stopped = true;
  weft::cancel_scope scope;
  scope.run([&] {
    scope.cancel();
    e.wait();
    stopped = false;
  });
  CHECK(stopped);
}

TEST_CASE("an exception thrown into a waiter ends its wait") {
  weft::event e;
  auto f = weft::spawn([&] { e.wait(); });
  weft::this_fiber::yield();
  f.throw_in(std::make_exception_ptr(std::runtime_error("enough")));
  CHECK_THROWS_WITH(f.get(), "enough");
}

TEST_CASE("joinall takes events") {
  weft::testing::virtual_clock clock;
  std::array<weft::event, 3> events;
  CHECK(weft::joinall(events, {.timeout = 1s}) == 0);
  auto f = weft::spawn([&] {
    for (auto& e : events) {
      weft::this_fiber::sleep_for(1s);
      e.set();
    }
  });
  CHECK(weft::joinall(events, {.count = 2}) == 2);
  CHECK(clock.elapsed() == 3s);
  CHECK(weft::joinall(events) == 3);
  CHECK(events[2].exception() == nullptr);
  f.join();
}

TEST_CASE("an event that is destroyed under its waiters takes nobody's memory along") {
  weft::testing::virtual_clock clock;
  auto e = std::make_unique<weft::event>();
  auto f = weft::spawn([&] { e->wait_for(1h); });
  auto g = weft::spawn([&] { e->wait(); });
  weft::this_fiber::yield();
  e.reset();
  g.kill();
  f.join();
  CHECK(clock.elapsed() == 1h);
}

TEST_CASE("an event used on another OS thread throws wrong_hub, with and without a hub there") {
  weft::event e;
  std::thread([&] {
    CHECK_THROWS_AS(e.set(), weft::wrong_hub);
    CHECK_THROWS_AS(e.wait(), weft::wrong_hub);
    weft::event own;
    own.set();
    CHECK_THROWS_AS(e.set(), weft::wrong_hub);
    CHECK_THROWS_AS(e.clear(), weft::wrong_hub);
    CHECK_THROWS_AS(e.wait_for(1s), weft::wrong_hub);
  }).join();
  CHECK_FALSE(e.is_set());
}

#ifdef __SANITIZE_THREAD__
constexpr bool alone = false;  // the sanitizer's own thread could set it, for all the hub knows
#else
constexpr bool alone = true;
#endif

TEST_CASE("main waiting for an event that nobody can set is a deadlock, with a report" * doctest::skip(!alone)) {
  weft::event e;
  auto f = weft::spawn({.name = "also stuck"}, [&] { e.wait(); });
  try {
    e.wait();
    FAIL("it returned");
  } catch (const weft::deadlock& d) {
    CHECK(std::string(d.what()).find("event.wait") != std::string::npos);
    CHECK(std::string(d.what()).find("also stuck") != std::string::npos);
  }
  f.kill();
}
