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

TEST_CASE("close waits for what runs; who waits for a result meanwhile gets none, in both styles and orders") {
  weft::testing::virtual_clock clock;
  int running = 0;
  const auto slow = [&](int) {
    struct count {
      int& n;
      explicit count(int& of) : n(of) { ++n; }
      ~count() { --n; }
    } here(running);
    try {
      weft::this_fiber::sleep_for(1h);
    } catch (const weft::cancelled&) {
      weft::shield([] { weft::this_fiber::sleep_for(2s); });
      throw;
    }
    return 1;
  };
  weft::pool two(2);
  const auto check = [&](auto ask, auto close) {
    const auto before = clock.elapsed();
    auto asker = weft::spawn([&] { return ask(); });
    weft::this_fiber::sleep_for(1s);
    CHECK(running == 2);
    close();
    CHECK(running == 0);
    CHECK(clock.elapsed() - before == 3s);
    CHECK_FALSE(asker.get());
    CHECK_FALSE(ask());
    close();
    CHECK(two.empty());
    CHECK(clock.elapsed() - before == 3s);
  };
  const std::vector<int> items{1, 2, 3, 4};
  const auto check_fibers = [&](auto results) { check([&] { return results.next(); }, [&] { results.close(); }); };
  check_fibers(two.imap(slow, items));
  check_fibers(two.imap_unordered(slow, items));
  const auto check_tasks = [&](auto results) {
    check([&] { return weft::await(results.next()); }, [&] { weft::await(results.close()); });
  };
  check_tasks(async::imap(two, slow, items));
  check_tasks(async::imap_unordered(two, slow, items));
}

TEST_CASE("close waits also when its caller is cancelled; a drop in a coroutine cancels, and does not wait") {
  weft::testing::virtual_clock clock;
  int running = 0;
  const auto slow = [&](int) -> task<int> {
    struct count {
      int& n;
      explicit count(int& of) : n(of) { ++n; }
      ~count() { --n; }
    } here(running);
    bool cut_off = false;
    try {
      co_await async::sleep_for(1h);
    } catch (const weft::cancelled&) {
      cut_off = true;
    }
    if (cut_off) co_await async::shield(async::sleep_for(2s));
    co_return 1;
  };
  weft::group g;
  bool closed = false;
  auto f = weft::spawn([&]() -> task<> {
    auto results = async::imap(g, slow, std::vector{1, 2, 3});
    co_await async::sleep_for(1s);
    co_await results.close();
    closed = running == 0;
    co_await async::yield();
  });
  weft::this_fiber::sleep_for(2s);
  CHECK(running == 3);
  f.kill();
  CHECK(f.was_cancelled());
  CHECK(closed);
  CHECK(clock.elapsed() == 3s);
  for (const bool in_order : {true, false}) {
    auto dropper = weft::spawn([&]() -> task<> {
      if (in_order) {
        const auto results = async::imap(g, slow, std::vector{1, 2, 3});
        co_await async::sleep_for(1s);
      } else {
        const auto results = async::imap_unordered(g, slow, std::vector{1, 2, 3});
        co_await async::sleep_for(1s);
      }
    });
    dropper.get();
    CHECK(running == 3);  // cancelled, and busy with its clean-up
    CHECK(g.join(3s));
    CHECK(running == 0);
  }
}
