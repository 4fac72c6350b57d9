// co_await of several at once: joinall, wait, as_completed, gather, wait_for and kill, with the results that fibers get.
#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

#include "sleepers.hpp"

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

TEST_CASE("a task joins some or all of a range, and hears of the first failure") {
  weft::testing::virtual_clock clock;
  weft::await([&]() -> task<> {
    std::vector<weft::fiber<int>> v{weft::spawn(sleeper(3)), fiber_sleeper(1), weft::spawn(sleeper(2, true))};
    std::size_t n = co_await async::joinall(v, {.count = 1});
    CHECK(n == 1);
    CHECK(clock.elapsed() == 1s);
    n = co_await async::joinall(v, {.timeout = 500ms});
    CHECK(n == 1);
    bool thrown = false;
    try {
      co_await async::joinall(v, {.raise_error = true});
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    CHECK(thrown);
    CHECK(clock.elapsed() == 2s);
    n = co_await async::joinall(v);
    CHECK(n == 3);
    CHECK(clock.elapsed() == 3s);
  }());
}

TEST_CASE("a task waits for the first that is done, of several kinds") {
  weft::testing::virtual_clock clock;
  weft::event ev;
  auto slow = weft::spawn(sleeper(5));
  weft::await([&]() -> task<> {
    auto r = co_await async::wait(weft::waitables(slow, ev), weft::first_completed, 1s);
    CHECK(r.done.empty());
    CHECK(r.pending.size() == 2);
    ev.set();
    r = co_await async::wait(weft::waitables(slow, ev), weft::first_completed);
    CHECK(r.done.size() == 1);
    auto all = co_await async::wait(weft::waitables(slow, ev));
    CHECK(all.done.size() == 2);
  }());
  CHECK(clock.elapsed() == 5s);
}

TEST_CASE("a task takes fibers and tasks one after the other as they end, until its time is over") {
  weft::testing::virtual_clock clock;
  std::vector<weft::fiber<int>> v{weft::spawn(sleeper(3)), fiber_sleeper(1), weft::spawn(sleeper(9))};
  weft::await([&]() -> task<> {
    std::vector<int> order;
    auto ended = async::as_completed(v, 4s);
    bool late = false;
    try {
      while (auto f = co_await ended.next()) {
        const int value = co_await *f;
        order.push_back(value);
      }
    } catch (const weft::timeout_error&) {
      late = true;
    }
    CHECK(order == std::vector{1, 3});
    CHECK(late);
  }());
  CHECK(clock.elapsed() == 4s);
  v[2].kill();
}

TEST_CASE("a task gathers tasks, fibers, functions and ranges; what it began ends with a failure") {
  weft::testing::virtual_clock clock;
  weft::await([&]() -> task<> {
    auto f = fiber_sleeper(1);
    const auto got = co_await async::gather(sleeper(3), f, [] { return std::string("text"); });
    CHECK(std::get<0>(got) == 3);
    CHECK(std::get<1>(got) == 1);
    CHECK(std::get<2>(got) == "text");
    std::vector<task<int>> tasks;
    for (int i = 1; i <= 3; ++i) tasks.push_back(sleeper(i));
    const auto all = co_await async::gather(std::move(tasks));
    CHECK(all == std::vector{1, 2, 3});
    CHECK(clock.elapsed() == 6s);
    bool failed = false;
    try {
      co_await async::gather(sleeper(3600), sleeper(2, true));
    } catch (const std::runtime_error&) {
      failed = true;
    }
    CHECK(failed);
    CHECK(clock.elapsed() == 8s);
    auto settled = co_await async::gather_settled(sleeper(1), sleeper(2, true));
    CHECK(std::get<0>(settled).value() == 1);
    CHECK(std::get<1>(settled).exception() != nullptr);
  }());
  CHECK(weft::this_hub().stats().fibers == 1);
}

TEST_CASE("what a task gathers is cancelled with it, handles included") {
  weft::testing::virtual_clock clock;
  auto handed_in = fiber_sleeper(3600);
  auto t = weft::spawn([&]() -> task<> { co_await async::gather(sleeper(3600), handed_in); });
  weft::testing::wait_all_blocked();
  t.kill();
  CHECK(t.was_cancelled());
  handed_in.join();
  CHECK(handed_in.was_cancelled());
  CHECK(weft::this_hub().stats().fibers == 1);
}

TEST_CASE("wait_for of a task cancels what is late, and leaves what is shielded") {
  weft::testing::virtual_clock clock;
  weft::await([&]() -> task<> {
    const int in_time = co_await async::wait_for(sleeper(1), 2s);
    CHECK(in_time == 1);
    auto slow = weft::spawn(sleeper(10));
    CHECK_THROWS_AS(co_await async::wait_for(slow, 2s), weft::timeout_error);
    CHECK(slow.was_cancelled());
    auto kept = weft::spawn(sleeper(5));
    CHECK_THROWS_AS(co_await async::wait_for(weft::shield(kept), 2s), weft::timeout_error);
    CHECK_FALSE(kept.done());
    const int value = co_await async::get_for(kept, 1h);
    CHECK(value == 5);
    weft::async_result<int> never;
    CHECK_THROWS_AS(co_await async::get_for(never, 1s), weft::timeout_error);
  }());
  CHECK(clock.elapsed() == 9s);
}

TEST_CASE("a task kills another, many, and itself") {
  weft::testing::virtual_clock clock;
  weft::await([&]() -> task<> {
    auto a = weft::spawn(sleeper(3600));
    auto b = fiber_sleeper(3600);
    co_await async::kill(a);
    CHECK(a.was_cancelled());
    std::vector<weft::any_fiber> rest{b, weft::spawn(sleeper(3600))};
    const bool over = co_await async::killall(rest);
    CHECK(over);
    CHECK(b.was_cancelled());
  }());
  bool after = false;
  weft::any_fiber self;
  self = weft::spawn([&]() -> task<> {
    co_await async::kill(self);
    after = true;
  });
  self.join();
  CHECK(self.was_cancelled());
  CHECK_FALSE(after);
}
