// What latch and barrier promise.
#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/latch.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

TEST_CASE("a latch lets its waiters go at zero, and stays open") {
  weft::testing::virtual_clock clock;
  weft::latch l(3);
  std::vector<weft::fiber<>> fibers;
  for (int i = 1; i <= 3; ++i)
    fibers.push_back(weft::spawn([&, i] {
      sleep_for(std::chrono::seconds(i));
      l.count_down();
    }));
  CHECK_FALSE(l.wait_for(1500ms));
  CHECK(l.count() == 2);
  l.wait();
  CHECK(clock.elapsed() == 3s);
  CHECK(l.try_wait());
  l.wait();
  CHECK_THROWS_AS(l.count_down(), weft::not_owner);
  CHECK(weft::latch(0).try_wait());
  CHECK(weft::waitable<weft::latch>);
}

TEST_CASE("arrive_and_wait: the last one does not park") {
  weft::latch l(2);
  auto f = weft::spawn([&] { l.arrive_and_wait(); });
  weft::this_fiber::yield();
  CHECK_FALSE(f.done());
  l.arrive_and_wait();
  f.get();
}

TEST_CASE("a barrier lets all go together, phase after phase; one of them is told that it was the last") {
  weft::testing::virtual_clock clock;
  int phases = 0, lasts = 0;
  weft::barrier b(3, [&] { ++phases; });
  std::vector<std::chrono::nanoseconds> at;
  std::vector<weft::fiber<>> fibers;
  for (int i = 1; i <= 3; ++i)
    fibers.push_back(weft::spawn([&, i] {
      for (int round = 0; round < 4; ++round) {
        sleep_for(std::chrono::seconds(i));
        lasts += b.arrive_and_wait();
        CHECK(phases == round + 1);
        at.push_back(clock.elapsed());
      }
    }));
  weft::joinall(fibers, {.raise_error = true});
  CHECK(phases == 4);
  CHECK(lasts == 4);
  REQUIRE(at.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) CHECK(at[i] == 3s * (i / 3 + 1));
}

TEST_CASE("who gives up breaks the barrier for the others; reset mends it") {
  weft::testing::virtual_clock clock;
  weft::barrier b(3);
  auto patient = weft::spawn([&] { b.arrive_and_wait(); });
  auto hasty = weft::spawn([&] { b.arrive_and_wait_for(1s); });
  CHECK_THROWS_AS(hasty.get(), weft::timeout_error);
  CHECK_THROWS_AS(patient.get(), weft::broken_barrier);
  CHECK(b.broken());
  CHECK_THROWS_AS(b.arrive_and_wait(), weft::broken_barrier);
  b.reset();
  auto cancelled = weft::spawn([&] { b.arrive_and_wait(); });
  auto other = weft::spawn([&] { b.arrive_and_wait(); });
  weft::this_fiber::yield();
  CHECK(b.waiting() == 2);
  cancelled.kill();
  CHECK_THROWS_AS(other.get(), weft::broken_barrier);
  b.reset();
  std::vector<weft::fiber<bool>> again;
  for (int i = 0; i < 3; ++i) again.push_back(weft::spawn([&] { return b.arrive_and_wait(); }));
  CHECK(weft::joinall(again, {.raise_error = true}) == 3);
  CHECK(again[2].get());
}

TEST_CASE("dropping a party completes the phase that waited for it; a completion that throws breaks it") {
  weft::barrier b(3);
  std::vector<weft::fiber<bool>> two;
  for (int i = 0; i < 2; ++i) two.push_back(weft::spawn([&] { return b.arrive_and_wait(); }));
  weft::testing::wait_all_blocked();
  b.arrive_and_drop();
  CHECK(weft::joinall(two, {.raise_error = true}) == 2);
  CHECK(b.parties() == 2);
  CHECK_THROWS_AS(weft::barrier(0), std::invalid_argument);

  weft::barrier c(2, [] { throw std::runtime_error("completion"); });
  auto first = weft::spawn([&] { c.arrive_and_wait(); });
  weft::this_fiber::yield();
  CHECK_THROWS_WITH(c.arrive_and_wait(), "completion");
  CHECK_THROWS_AS(first.get(), weft::broken_barrier);
}
