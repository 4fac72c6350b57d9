// Results one by one for tasks: imap and imap_unordered of groups and pools.
#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

namespace {

task<int> tenfold(int seconds) {
  co_await async::sleep_for(std::chrono::seconds(seconds));
  if (seconds == 3) throw std::runtime_error("three");
  co_return seconds * 10;
}
int tenfold_of_fiber(int seconds) {
  weft::this_fiber::sleep_for(std::chrono::seconds(seconds));
  return seconds * 10;
}

// All results; -1 for a failure.
template <class It>
task<std::vector<int>> all_of(It& results) {
  std::vector<int> got;
  for (;;) {
    std::optional<int> v;
    bool failed = false;
    try {
      v = co_await results.next();
    } catch (const std::runtime_error&) {
      failed = true;
    }
    if (!v && !failed) co_return got;
    got.push_back(failed ? -1 : *v);
  }
}

}  // namespace

TEST_CASE("a task asks for results one by one, in order or as they are done; a failure stands in its place") {
  weft::testing::virtual_clock clock;
  weft::await([&]() -> task<> {
    weft::pool two(2);
    auto in_order = async::imap(two, tenfold, std::vector{4, 2, 3, 1});
    auto got = co_await all_of(in_order);
    CHECK(got == std::vector{40, 20, -1, 10});
    auto as_done = async::imap_unordered(two, tenfold, std::vector{4, 2, 3, 1});
    got = co_await all_of(as_done);
    CHECK(got == std::vector{20, 40, -1, 10});
    weft::group any;
    auto of_fibers = async::imap_unordered(any, tenfold_of_fiber, std::vector{4, 2, 1});
    got = co_await all_of(of_fibers);
    CHECK(got == std::vector{10, 20, 40});
    int n = 0;
    auto of_nothing = async::imap(any, [](int) -> task<> { co_return; }, std::vector{1, 2});
    while (auto v = co_await of_nothing.next()) ++n;
    CHECK(n == 2);
  }());
  CHECK(clock.elapsed() == 14s);
}

TEST_CASE("a result that somebody was cut off waiting for is the next, in both styles") {
  weft::testing::virtual_clock clock;
  weft::await([&]() -> task<> {
    weft::group g;
    auto results = async::imap(g, tenfold, std::vector{5, 1});
    const bool in_time = co_await async::move_on_after(1s, results.next());
    CHECK_FALSE(in_time);
    const auto got = co_await all_of(results);
    CHECK(got == std::vector{50, 10});
  }());
  weft::group g;
  auto results = g.imap(tenfold_of_fiber, std::vector{5, 1});
  CHECK_FALSE(weft::move_on_after(1s, [&] { results.next(); }));
  CHECK(results.next() == 50);
  CHECK(results.next() == 10);
  CHECK_FALSE(results.next());
}

TEST_CASE("several may ask: each result goes to one, in both styles") {
  weft::testing::virtual_clock clock;
  weft::pool three(3);
  weft::await([&]() -> task<> {
    auto results = async::imap(three, tenfold, std::vector{1, 2, 4, 5});
    const auto ask = [&]() -> task<int> {
      int sum = 0;
      while (auto v = co_await results.next()) sum += *v;
      co_return sum;
    };
    const auto sums = co_await async::gather(ask(), ask());
    CHECK(std::get<0>(sums) + std::get<1>(sums) == 120);
  }());
  auto results = three.imap(tenfold_of_fiber, std::vector{1, 2, 4, 5});
  const auto ask = [&] {
    int sum = 0;
    while (auto v = results.next()) sum += *v;
    return sum;
  };
  auto [a, b] = weft::gather(ask, ask);
  CHECK(a + b == 120);
}

TEST_CASE("closed or dropped early it cancels what runs, and begins nothing more") {
  weft::testing::virtual_clock clock;
  int begun = 0, ended = 0;
  const auto counted = [&](int seconds) -> task<int> {
    struct until_end {
      int& n;
      ~until_end() { ++n; }
    } at_end{ended};
    ++begun;
    co_await async::sleep_for(std::chrono::seconds(seconds));
    co_return seconds;
  };
  weft::pool three(3);
  weft::await([&]() -> task<> {
    auto results = async::imap(three, counted, std::vector{1, 50, 60, 70, 80});
    auto v = co_await results.next();
    CHECK(v == 1);
    co_await results.close();
    CHECK(ended == begun);
    v = co_await results.next();
    CHECK_FALSE(v);
  }());
  weft::await([&]() -> task<> {
    auto results = async::imap_unordered(three, counted, std::vector{1, 50, 60, 70, 80});
    const auto v = co_await results.next();
    CHECK(v == 1);
  }());
  weft::this_fiber::sleep_for(1s);
  CHECK(begun >= 6);
  CHECK(ended == begun);
  CHECK(three.empty());
  CHECK(clock.elapsed() == 3s);
  // Fibers: the place that the first one left had been given on when the range was dropped.
  {
    auto results = three.imap(tenfold_of_fiber, std::vector{1, 50, 60, 70, 80});
    CHECK(results.next() == 10);
  }
  CHECK(three.join(1s));
}

TEST_CASE("it stays `ahead` results ahead, and hands on what the range throws") {
  weft::testing::virtual_clock clock;
  int begun = 0;
  weft::await([&]() -> task<> {
    weft::group g;
    const auto at_once = [&](int n) -> task<int> {
      ++begun;
      co_return n;
    };
    auto results = async::imap(g, at_once, std::vector{1, 2, 3, 4, 5, 6, 7, 8}, 2);
    co_await async::sleep_for(1s);
    CHECK(begun == 3);
    auto got = co_await all_of(results);
    CHECK(got.size() == 8);
    auto failing = [](int n) -> weft::generator<int> {
      co_yield n;
      throw std::logic_error("the range");
    };
    auto rest = async::imap(g, at_once, failing(7));
    auto v = co_await rest.next();
    CHECK(v == 7);
    bool thrown = false;
    try {
      v = co_await rest.next();
    } catch (const std::logic_error&) {
      thrown = true;
    }
    CHECK(thrown);
  }());
}
