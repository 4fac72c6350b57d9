// What wait, as_completed, wait_for and shield promise: order, limits, who is cancelled and who is left alone.
#include <doctest/doctest.h>

#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/async_result.hpp>
#include <weft/event.hpp>
#include <weft/fiber.hpp>
#include <weft/testing.hpp>
#include <weft/timer.hpp>
#include <weft/wait.hpp>
#include <weft/wait_for.hpp>

#include "sleeper.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

namespace {
std::vector<int> values(const std::vector<weft::fiber<int>>& fibers) {
  std::vector<int> all;
  for (const auto& f : fibers) all.push_back(f.get());
  return all;
}
}  // namespace

TEST_CASE("wait for all: everything is done, in the order of completion") {
  weft::testing::virtual_clock clock;
  std::vector<weft::fiber<int>> fibers{sleeper(3), sleeper(1), sleeper(2)};
  const auto [done, pending] = weft::wait(fibers);
  CHECK(pending.empty());
  CHECK(values(done) == std::vector{1, 2, 3});
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("wait for the first completed: one is done, the others are pending and go on") {
  weft::testing::virtual_clock clock;
  std::vector<weft::fiber<int>> fibers{sleeper(3), sleeper(1), sleeper(2)};
  const auto first = weft::wait(fibers, weft::first_completed);
  CHECK(clock.elapsed() == 1s);
  CHECK(values(first.done) == std::vector{1});
  REQUIRE(first.pending.size() == 2);
  CHECK(first.pending[0] == fibers[0]);
  CHECK(first.pending[1] == fibers[2]);
  const auto rest = weft::wait(first.pending);
  CHECK(values(rest.done) == std::vector{2, 3});
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("wait for the first exception: cancellation is no failure, and without failures it is `all`") {
  weft::testing::virtual_clock clock;
  std::vector<weft::fiber<int>> fibers{sleeper(1), sleeper(2), sleeper(3, true), sleeper(4)};
  fibers[1].cancel();
  const auto [done, pending] = weft::wait(fibers, weft::first_exception);
  CHECK(clock.elapsed() == 3s);
  CHECK(done.size() == 3);
  REQUIRE(pending.size() == 1);
  CHECK(pending[0] == fibers[3]);
  const auto rest = weft::wait(pending, weft::first_exception);
  CHECK(rest.done.size() == 1);
  CHECK(clock.elapsed() == 4s);
}

TEST_CASE("wait comes back at its timeout with what is done so far; an empty range needs no waiting") {
  weft::testing::virtual_clock clock;
  std::vector<weft::fiber<int>> fibers{sleeper(1), sleeper(5)};
  const auto [done, pending] = weft::wait(fibers, weft::all_completed, 2s);
  CHECK(clock.elapsed() == 2s);
  CHECK(values(done) == std::vector{1});
  CHECK(pending.size() == 1);
  CHECK(weft::wait(pending, weft::first_completed, 0s).done.empty());
  CHECK(weft::wait(std::vector<weft::fiber<int>>{}).done.empty());
  CHECK(clock.elapsed() == 2s);
  weft::killall(fibers);
}

TEST_CASE("all that were done before count at once, in the order of the range") {
  std::vector<weft::fiber<int>> fibers{sleeper(0), sleeper(0), sleeper(1000)};
  weft::joinall(fibers, {.count = 2});
  const auto [done, pending] = weft::wait(fibers, weft::first_completed);
  CHECK(done.size() == 2);
  CHECK(done[0] == fibers[0]);
  CHECK(pending.size() == 1);
  fibers[2].kill();
}

TEST_CASE("fibers, events and results of different types are waited for together") {
  weft::testing::virtual_clock clock;
  weft::event e;
  weft::async_result<std::string> r;
  const auto f = sleeper(3);
  weft::call_later(1s, [&] { r.set_value("here"); });
  weft::call_later(2s, [&] { e.set(); });
  std::vector<std::chrono::nanoseconds> at;
  for (const weft::any_waitable& w : weft::as_completed({f, e, r})) {
    CHECK(w.done());
    at.push_back(clock.elapsed());
  }
  CHECK(at == std::vector<std::chrono::nanoseconds>{1s, 2s, 3s});
  CHECK(weft::wait({f, e, r}, weft::first_completed).done.size() == 3);
  const std::deque<weft::event> events(2);
  const auto none = weft::wait(events, weft::first_completed, 1s);
  REQUIRE(none.pending.size() == 2);
  CHECK(none.pending[1] == &events[1]);
}

TEST_CASE("a waiter that is cancelled leaves those it waited for alone") {
  weft::testing::virtual_clock clock;
  std::vector<weft::fiber<int>> fibers{sleeper(3), sleeper(4)};
  auto waiting = weft::spawn([&] { weft::wait(fibers); });
  auto iterating = weft::spawn([&] {
    for (const auto& f : weft::as_completed(fibers)) (void)f;
  });
  weft::this_fiber::yield();
  waiting.kill();
  iterating.kill();
  CHECK(waiting.was_cancelled());
  CHECK(iterating.was_cancelled());
  CHECK(values(fibers) == std::vector{3, 4});
}

TEST_CASE("waiting for oneself is refused") {
  auto f = weft::spawn([] {
    std::vector<weft::any_fiber> me{weft::this_fiber::current()};
    CHECK_THROWS_AS(weft::wait(me), weft::self_join);
    CHECK_THROWS_AS(weft::as_completed(me), weft::self_join);
  });
  f.get();
}

TEST_CASE("as_completed yields each as it ends and throws when the time for all is over") {
  weft::testing::virtual_clock clock;
  std::vector<int> order;
  for (const auto& f : weft::as_completed(std::vector{sleeper(3), sleeper(1), sleeper(2)})) order.push_back(f.get());
  CHECK(order == std::vector{1, 2, 3});
  CHECK(clock.elapsed() == 3s);

  std::vector<weft::fiber<int>> fibers{sleeper(10), sleeper(1)};
  order.clear();
  const auto run = [&] {
    for (const auto& f : weft::as_completed(fibers, 5s)) order.push_back(f.get());
  };
  CHECK_THROWS_WITH_AS(run(), "1 of 2 were not done in time", weft::timeout_error);
  CHECK(order == std::vector{1});
  CHECK(clock.elapsed() == 8s);
  weft::killall(fibers);
}

TEST_CASE("wait_for returns what came in time and passes failures on") {
  weft::testing::virtual_clock clock;
  CHECK(weft::wait_for(sleeper(1), 2s) == 1);
  CHECK_THROWS_WITH(weft::wait_for(sleeper(1, true), 2s), "failed");
  weft::async_result<int> r;
  weft::call_later(1s, [&] { r.set_value(5); });
  CHECK(weft::wait_for(r, 2s) == 5);
  CHECK(weft::wait_for([] { return 7; }, 1s) == 7);
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("wait_for cancels what is late, and waits until it is over") {
  weft::testing::virtual_clock clock;
  bool cleaned = false;
  auto late = weft::spawn([&] {
    try {
      sleep_for(1h);
    } catch (const weft::cancelled&) {
      weft::shield([] { sleep_for(1s); });
      cleaned = true;
      throw;
    }
  });
  CHECK_THROWS_AS(weft::wait_for(late, 2s), weft::timeout_error);
  CHECK(cleaned);
  CHECK(late.was_cancelled());
  CHECK(clock.elapsed() == 3s);
  auto stubborn = weft::spawn([] {
    try {
      sleep_for(1h);
    } catch (const weft::cancelled&) {
    }
    return 9;
  });
  CHECK(weft::wait_for(stubborn, 1s) == 9);
  weft::async_result<int> never;
  CHECK_THROWS_AS(weft::wait_for(never, 1s), weft::timeout_error);
}

TEST_CASE("a cancelled wait_for cancels what it waits for") {
  weft::testing::virtual_clock clock;
  auto inner = sleeper(3600);
  auto outer = weft::spawn([&] { return weft::wait_for(inner, 2h); });
  weft::this_fiber::yield();
  outer.kill();
  CHECK(outer.was_cancelled());
  CHECK(inner.was_cancelled());
  auto behind = sleeper(3600);
  CHECK_FALSE(weft::move_on_after(5s, [&] { weft::wait_for(behind, 2h); }));
  CHECK(behind.was_cancelled());
  CHECK(clock.elapsed() == 5s);
}

TEST_CASE("a shielded fiber survives the timeout and the cancellation of who waits for it") {
  weft::testing::virtual_clock clock;
  auto inner = sleeper(10);
  CHECK_THROWS_AS(weft::wait_for(weft::shield(inner), 2s), weft::timeout_error);
  auto outer = weft::spawn([&] { return weft::wait_for(weft::shield(inner), 1h); });
  weft::this_fiber::yield();
  outer.kill();
  CHECK_FALSE(inner.done());
  CHECK(weft::shield(inner).get() == 10);
  CHECK(clock.elapsed() == 10s);
}
