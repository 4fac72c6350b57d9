// Tasks among the waits for several: they mix with fibers, by handle or not begun yet.
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include <weft/gather.hpp>
#include <weft/task.hpp>
#include <weft/task/time.hpp>
#include <weft/testing.hpp>

#include "sleepers.hpp"
#include <weft/wait.hpp>
#include <weft/wait_for.hpp>

using namespace std::chrono_literals;

TEST_CASE("gather runs tasks and functions beside handles of both, results in order") {
  weft::testing::virtual_clock clock;
  const auto [a, b, c, d] = weft::gather(sleeper(3), fiber_sleeper(1), weft::spawn(sleeper(2)), [] { return std::string("text"); });
  CHECK(a == 3);
  CHECK(b == 1);
  CHECK(c == 2);
  CHECK(d == "text");
  CHECK(clock.elapsed() == 3s);
  auto [good, bad] = weft::gather_settled(sleeper(1), sleeper(2, true));
  CHECK(good.value() == 1);
  CHECK_THROWS_WITH(bad.value(), "failed");
}

TEST_CASE("a task that gather began ends with it") {
  weft::testing::virtual_clock clock;
  CHECK_THROWS_WITH(weft::gather(sleeper(3600), sleeper(2, true)), "failed");
  CHECK(clock.elapsed() == 2s);
}

TEST_CASE("wait and as_completed take handles of tasks and fibers alike") {
  weft::testing::virtual_clock clock;
  std::vector<weft::fiber<int>> both{weft::spawn(sleeper(3)), fiber_sleeper(1), weft::spawn(sleeper(2, true))};
  auto first = weft::wait(both, weft::first_completed);
  REQUIRE(first.done.size() == 1);
  CHECK(first.done[0] == both[1]);
  auto failed = weft::wait(both, weft::first_exception);
  CHECK(failed.done.size() == 2);
  CHECK(failed.pending[0] == both[0]);
  std::vector<int> order;
  for (const auto& f : weft::as_completed(both))
    if (f.exception() == nullptr) order.push_back(f.get());
  CHECK(order == std::vector{1, 3});
}

TEST_CASE("wait_for cancels a task that is late, and a shielded one goes on") {
  weft::testing::virtual_clock clock;
  CHECK(weft::wait_for(sleeper(1), 2s) == 1);
  CHECK_THROWS_AS(weft::wait_for(sleeper(10), 2s), weft::timeout_error);
  auto kept = weft::spawn(sleeper(5));
  CHECK_THROWS_AS(weft::wait_for(weft::shield(kept), 2s), weft::timeout_error);
  CHECK(kept.get() == 5);
  CHECK(clock.elapsed() == 8s);
}
