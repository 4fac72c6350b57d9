// What weft::group and weft::pool promise: counting, joining, killing, places, and the maps.
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/group.hpp>
#include <weft/testing.hpp>

#include "chaos.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

namespace {
int slow_square(int n) {
  sleep_for(std::chrono::seconds(n));
  return n * n;
}
}  // namespace

TEST_CASE("a group knows its living fibers and waits for all, those that come meanwhile too") {
  weft::testing::virtual_clock clock;
  weft::group g;
  CHECK(g.join());
  auto a = g.spawn(slow_square, 2);
  auto b = g.spawn([&] {
    sleep_for(1s);
    g.spawn([] { sleep_for(3s); });
  });
  CHECK(g.size() == 2);
  CHECK(g.contains(a));
  CHECK_FALSE(g.join(1500ms));
  CHECK_FALSE(g.contains(b));
  CHECK(g.join());
  CHECK(clock.elapsed() == 4s);
  CHECK(a.get() == 4);
  CHECK(g.empty());
}

TEST_CASE("a failure leaves the others alone; join can be asked to throw it") {
  weft::testing::virtual_clock clock;
  weft::group g;
  auto bad = g.spawn([] {
    sleep_for(1s);
    throw std::runtime_error("failed");
  });
  auto good = g.spawn(slow_square, 3);
  CHECK_THROWS_WITH(g.join(std::nullopt, true), "failed");
  CHECK(clock.elapsed() == 1s);
  CHECK(g.size() == 1);
  CHECK(g.kill());
  CHECK(good.was_cancelled());
}

TEST_CASE("add and discard") {
  weft::testing::virtual_clock clock;
  weft::group g;
  auto f = weft::spawn(slow_square, 5);
  g.add(f);
  g.add(f);
  CHECK(g.size() == 1);
  CHECK(g.discard(f));
  CHECK_FALSE(g.discard(f));
  CHECK(g.empty());
  CHECK(f.get() == 25);
  g.add(f);
  CHECK(g.empty());
  auto left = weft::spawn(slow_square, 1);
  {
    weft::group dropped;
    dropped.add(left);
  }
  CHECK(left.get() == 1);
}

TEST_CASE("a pool runs so many at once; spawn parks until there is a place, in line") {
  weft::testing::virtual_clock clock;
  weft::pool p(2);
  CHECK(p.free_count() == 2);
  std::vector<int> started;
  std::vector<weft::fiber<>> all;
  for (int i = 0; i < 6; ++i)
    all.push_back(p.spawn([&, i] {
      started.push_back(i);
      sleep_for(1s);
    }));
  CHECK(clock.elapsed() == 2s);  // the last two places came free after 2 s
  CHECK(p.full());
  CHECK_FALSE(p.wait_available(500ms));
  CHECK(p.wait_available());
  CHECK(clock.elapsed() == 3s);
  p.join();
  CHECK(started == std::vector{0, 1, 2, 3, 4, 5});
  CHECK(p.apply(slow_square, 2) == 4);
  CHECK_THROWS_AS(weft::pool(0), std::invalid_argument);
}

TEST_CASE("a cancelled spawn takes no place") {
  weft::testing::virtual_clock clock;
  weft::pool p(1);
  p.spawn([] { sleep_for(10s); });
  auto waiting = weft::spawn([&] { p.spawn([] {}); });
  weft::this_fiber::yield();
  waiting.kill();
  CHECK(waiting.was_cancelled());
  p.join();
  CHECK(p.free_count() == 1);
}

TEST_CASE("map: results in order, as fast as the pool allows; a failure stops the rest") {
  weft::testing::virtual_clock clock;
  weft::pool p(2);
  CHECK(p.map(slow_square, std::vector{3, 1, 2}) == std::vector{9, 1, 4});
  CHECK(clock.elapsed() == 3s);
  int ran = 0;
  p.map([&](int) { ++ran; }, std::vector{1, 2, 3});
  CHECK(ran == 3);
  weft::group g;
  const auto f = [](int n) {
    if (n == 1) throw std::runtime_error("one");
    sleep_for(1h);
    return n;
  };
  CHECK_THROWS_WITH(g.map(f, std::vector{1, 2, 3}), "one");
  CHECK(g.empty());
  CHECK(clock.elapsed() == 3s);
  CHECK_FALSE(weft::move_on_after(1s, [&] { g.map(f, std::vector{2, 3}); }));
  CHECK(g.empty());
}

TEST_CASE("imap gives results in order as they are asked for, imap_unordered as they are done") {
  weft::testing::virtual_clock clock;
  weft::pool p(2);
  std::vector<int> got;
  std::vector<std::chrono::nanoseconds> at;
  const std::vector items{3, 1, 2};
  for (int r : p.imap(slow_square, items)) {
    got.push_back(r);
    at.push_back(clock.elapsed());
  }
  CHECK(got == std::vector{9, 1, 4});
  CHECK(at == std::vector<std::chrono::nanoseconds>{3s, 3s, 3s});
  got.clear();
  at.clear();
  for (int r : p.imap_unordered(slow_square, std::vector{3, 1, 2})) {
    got.push_back(r);
    at.push_back(clock.elapsed() - 3s);
  }
  CHECK(got.size() == 3);
  CHECK(got[0] == 1);
  CHECK(at[0] == 1s);
  CHECK(at[2] == 3s);
  int none = 0;
  for (int r : p.imap(slow_square, std::vector<int>{})) none += r;
  for (int r : p.imap_unordered(slow_square, std::vector<int>{})) none += r;
  CHECK(none == 0);
}

TEST_CASE("imap throws an item's failure in its place, and goes on after it") {
  weft::pool p(3);
  const auto f = [](int n) {
    if (n == 2) throw std::runtime_error("two");
    return n;
  };
  auto results = p.imap(f, std::vector{1, 2, 3});
  CHECK(results.next() == 1);
  CHECK_THROWS_WITH(results.next(), "two");
  CHECK(results.next() == 3);
  CHECK_FALSE(results.next());
  CHECK_FALSE(results.next());
  auto unordered = p.imap_unordered(f, std::vector{2});
  CHECK_THROWS_WITH(unordered.next(), "two");
  CHECK_FALSE(unordered.next());
}

TEST_CASE("imap stays `ahead` results ahead, and a range that is dropped cancels what runs") {
  weft::testing::virtual_clock clock;
  weft::group g;
  int begun = 0, ended = 0;
  const auto f = [&](int n) {
    ++begun;
    sleep_for(1s);
    ++ended;
    return n;
  };
  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  {
    auto results = g.imap(f, items, 3);
    weft::testing::wait_all_blocked();
    CHECK(begun == 4);
    CHECK(results.next() == 0);
    CHECK(begun == 5);  // the one that was taken made room
  }
  CHECK(g.empty());
  const int so_far = ended;
  sleep_for(10s);
  CHECK(ended == so_far);
}

TEST_CASE("under shuffled schedules and cancellation a pool never runs too many and loses no place") {
  chaos::under_all_seeds([](chaos::world& w) {
    weft::pool p(3);
    int running = 0;
    for (int i = 0; i < 12; ++i)
      w.start([&] {
        for (int j = 0; j < 2; ++j)
          w.limited([&] {
            p.spawn([&] {
              struct count {
                int& n;
                explicit count(int& x) : n(x) {
                  if (++n > 3) FAIL("too many at once");
                }
                ~count() { --n; }
              } c{running};
              w.nap();
            });
          });
      });
    w.finish();
    p.join();
    if (p.free_count() != 3) FAIL("a place is lost");
  });
}
