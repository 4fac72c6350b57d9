// What gather promises: results in the order of the arguments, the first failure, and nothing of its own left running.
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/async_result.hpp>
#include <weft/fiber.hpp>
#include <weft/gather.hpp>
#include <weft/testing.hpp>
#include <weft/timer.hpp>
#include <weft/wait_for.hpp>

#include "sleeper.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

TEST_CASE("results come in the order of the arguments, whatever their types and kinds") {
  weft::testing::virtual_clock clock;
  weft::async_result<std::string> r;
  weft::call_later(1s, [&] { r.set_value("text"); });
  auto handle = sleeper(3);
  const auto [a, b, c, d, e] = weft::gather(
      handle, r, [] { sleep_for(2s); }, [] { return std::make_unique<int>(4); }, sleeper(1));
  CHECK(a == 3);
  CHECK(b == "text");
  CHECK(*d == 4);
  CHECK(e == 1);
  CHECK(clock.elapsed() == 3s);
  static_assert(std::is_same_v<decltype(c), const std::monostate>);
  CHECK(std::tuple_size_v<decltype(weft::gather())> == 0);
}

TEST_CASE("a range gives a vector; of void nothing; of functions too") {
  weft::testing::virtual_clock clock;
  std::vector<weft::fiber<int>> fibers{sleeper(3), sleeper(1), sleeper(2)};
  CHECK(weft::gather(fibers) == std::vector{3, 1, 2});
  CHECK(weft::gather(std::vector{sleeper(2), sleeper(1)}) == std::vector{2, 1});
  CHECK(weft::gather(std::vector<weft::fiber<int>>{}).empty());
  std::vector<weft::fiber<>> quiet{weft::spawn([] {}), weft::spawn([] {})};
  weft::gather(quiet);
  std::vector<std::function<int()>> functions{[] { return 1; }, [] { return 2; }};
  CHECK(weft::gather(functions) == std::vector{1, 2});
  CHECK(clock.elapsed() == 5s);
}

TEST_CASE("the first failure is thrown as it happens, and leaves the other handles running") {
  weft::testing::virtual_clock clock;
  auto good = sleeper(5), bad = sleeper(2, true), worse = sleeper(1000, true);
  CHECK_THROWS_WITH(weft::gather(good, bad, worse), "failed");
  CHECK(clock.elapsed() == 2s);
  CHECK_FALSE(good.done());
  CHECK(good.get() == 5);
  auto stopped = sleeper(100);
  stopped.cancel();
  CHECK_THROWS_AS(weft::gather(stopped), weft::fiber_cancelled);
  worse.kill();
}

TEST_CASE("functions that gather runs never outlive it") {
  weft::testing::virtual_clock clock;
  bool unwound = false;
  const auto slow = [&] {
    try {
      sleep_for(1h);
    } catch (const weft::cancelled&) {
      weft::shield([] { sleep_for(1s); });
      unwound = true;
      throw;
    }
  };
  auto handle = sleeper(100);
  CHECK_THROWS_WITH(weft::gather(slow, sleeper(2, true), handle), "failed");
  CHECK(unwound);
  CHECK(clock.elapsed() == 3s);
  CHECK_FALSE(handle.done());

  unwound = false;
  CHECK_FALSE(weft::move_on_after(2s, [&] { weft::gather(slow, weft::shield(handle)); }));
  CHECK(unwound);
  CHECK_FALSE(handle.done());
  unwound = false;
  std::vector<std::function<void()>> functions{slow, [] { throw std::logic_error("range"); }};
  CHECK_THROWS_WITH(weft::gather(functions), "range");
  CHECK(unwound);
  handle.kill();
}

TEST_CASE("a cancelled gather cancels what it gathers, but not what is shielded") {
  weft::testing::virtual_clock clock;
  auto a = sleeper(10), b = sleeper(10);
  auto g = weft::spawn([&] { weft::gather(a, weft::shield(b)); });
  weft::this_fiber::yield();
  g.kill();
  CHECK(g.was_cancelled());
  a.join();
  CHECK(a.was_cancelled());
  CHECK(b.get() == 10);
}

TEST_CASE("gather_settled waits for all and returns failures as values") {
  weft::testing::virtual_clock clock;
  auto stopped = sleeper(100);
  weft::call_later(1s, [&] { stopped.cancel(); });
  auto [one, failed, cancelled, nothing] = weft::gather_settled(sleeper(1), sleeper(2, true), stopped, [] {});
  CHECK(one.value() == 1);
  CHECK(one.exception() == nullptr);
  CHECK_FALSE(failed);
  CHECK_FALSE(failed.was_cancelled());
  CHECK_THROWS_WITH(failed.value(), "failed");
  CHECK(cancelled.was_cancelled());
  CHECK_THROWS_AS(cancelled.value(), weft::fiber_cancelled);
  CHECK(nothing.has_value());
  nothing.value();
  CHECK(clock.elapsed() == 2s);
  auto all = weft::gather_settled(std::vector{sleeper(1), sleeper(1, true)});
  CHECK(all[0].value() == 1);
  CHECK_THROWS_WITH(all[1].value(), "failed");
  CHECK_THROWS_WITH(
      (void)weft::gather_settled(std::vector<std::function<int()>>{[]() -> int { throw std::runtime_error("f"); }})[0].value(), "f");
}

TEST_CASE("a value that was taken before is an error of the caller's") {
  auto f = weft::spawn([] { return 1; });
  CHECK(f.get() == 1);
  CHECK_THROWS_AS(weft::gather(f), weft::result_taken);
}
