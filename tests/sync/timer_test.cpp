// What call_later, call_at and call_every promise, on the virtual clock.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/event.hpp>
#include <weft/fiber.hpp>
#include <weft/hub.hpp>
#include <weft/testing.hpp>
#include <weft/timer.hpp>

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;
using times = std::vector<std::chrono::nanoseconds>;

TEST_CASE("call_later calls once, in a fiber of its own that may park; equal moments in the order of arming") {
  weft::testing::virtual_clock clock;
  std::vector<int> order;
  const void* main_id = weft::this_fiber::current().id();
  auto slow = weft::call_later(2s, [&] {
    CHECK(weft::this_fiber::current().id() != main_id);
    sleep_for(5s);
    order.push_back(9);
  });
  weft::call_later(1s, [&](int i) { order.push_back(i); }, 1);
  weft::call_later(1s, [&] { order.push_back(2); });
  weft::call_later(-1s, [&] { order.push_back(0); });
  CHECK(slow.active());
  sleep_for(3s);
  CHECK(order == std::vector{0, 1, 2});
  CHECK_FALSE(slow.active());  // begun
  CHECK_FALSE(slow.cancel());
  sleep_for(10s);
  CHECK(order == std::vector{0, 1, 2, 9});
}

TEST_CASE("a cancelled timer never calls, and lets its function go") {
  weft::testing::virtual_clock clock;
  auto held = std::make_shared<int>(1);
  auto t = weft::call_later(1s, [held] { FAIL("called"); });
  CHECK(held.use_count() == 2);
  CHECK(t.cancel());
  CHECK(held.use_count() == 1);
  CHECK_FALSE(t.active());
  CHECK_FALSE(t.cancel());
  sleep_for(2s);
  weft::timer_handle empty;
  CHECK_FALSE(empty.active());
  CHECK_FALSE(empty.cancel());
}

TEST_CASE("a timer whose moment has come can be cancelled until its fiber runs") {
  weft::testing::virtual_clock clock;
  weft::timer_handle second;
  weft::call_later(1s, [&] { CHECK(second.cancel()); });
  second = weft::call_later(1s, [] { FAIL("called"); });
  sleep_for(2s);
}

TEST_CASE("dropping the handle does not stop a timer, nor does main's wait for something else count as a deadlock") {
  weft::event e;
  weft::call_later(1ms, [&] { e.set(); });
  e.wait();
}

TEST_CASE("call_at takes what is left until then on its clock") {
  weft::testing::virtual_clock clock;
  bool called = false;
  weft::call_at(std::chrono::system_clock::now() - 1s, [&] { called = true; });
  sleep_for(1ns);
  CHECK(called);
  auto later = weft::call_at(std::chrono::steady_clock::now() + 1h, [&] { called = false; });
  sleep_for(30min);
  CHECK(later.active());
  CHECK(called);
  sleep_for(31min);
  CHECK_FALSE(called);
}

TEST_CASE("call_every keeps its schedule, however long calls take, leaves out what passed, and never overlaps") {
  weft::testing::virtual_clock clock;
  times begun;
  int inside = 0;
  auto t = weft::call_every(10s, [&] {
    CHECK(++inside == 1);
    begun.push_back(clock.elapsed());
    if (begun.size() == 1) sleep_for(3s);
    if (begun.size() == 2) sleep_for(25s);
    --inside;
  });
  sleep_for(65s);
  CHECK(begun == times{10s, 20s, 50s, 60s});
  CHECK(t.cancel());
  sleep_for(100s);
  CHECK(begun.size() == 4);
}

TEST_CASE("call_every may be cancelled from inside its call, which runs on to its end") {
  weft::testing::virtual_clock clock;
  weft::timer_handle t;
  int calls = 0, ends = 0;
  t = weft::call_every(1s, [&, keep = std::make_shared<int>(3)] {
    if (++calls == *keep) t.cancel();
    sleep_for(100ms);
    if (*keep == 3) ++ends;
  });
  sleep_for(10s);
  CHECK(calls == 3);
  CHECK(ends == 3);
  CHECK_FALSE(t.active());
  CHECK_THROWS_AS(weft::call_every(0s, [] {}), std::invalid_argument);
}

TEST_CASE("a call that throws is reported with a name; a periodic one goes on") {
  weft::testing::virtual_clock clock;
  std::vector<std::string> reported;
  weft::on_error([&](const weft::unobserved_failure& f) { reported.push_back(std::string(f.fiber_name) + ": " + std::string(f.text)); });
  weft::call_later(1s, [] { throw std::runtime_error("once"); });
  auto t = weft::call_every(2s, [n = 0]() mutable {
    if (++n == 1) throw std::runtime_error("first of many");
  });
  sleep_for(7s);
  weft::on_error({});
  CHECK(t.active());
  CHECK(t.cancel());
  REQUIRE(reported.size() == 2);
  CHECK(reported[0] == "call_later: std::runtime_error: once");
  CHECK(reported[1] == "call_every: std::runtime_error: first of many");
}

TEST_CASE("a timer is cancelled on its own OS thread only") {
  weft::testing::virtual_clock clock;
  auto t = weft::call_later(1s, [] {});
  std::thread([&] { CHECK_THROWS_AS(t.cancel(), weft::wrong_hub); }).join();
  CHECK(t.cancel());
}

TEST_CASE("timers that are left when an OS thread ends are dropped with what they hold") {
  auto held = std::make_shared<int>(1);
  std::thread([held]() mutable {
    weft::call_later(1h, [held] {});
    weft::call_every(1h, [held] {});
    held.reset();
  }).join();
  CHECK(held.use_count() == 1);
}
