// What can be awaited is taken wherever a task is; coroutines are run wherever Weft calls a function in a fiber of its own; waits until a
// point of time.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;
using steady = std::chrono::steady_clock;

namespace {

task<int> late(int seconds) {
  co_await async::sleep_for(std::chrono::seconds(seconds));
  co_return seconds;
}

}  // namespace

TEST_CASE("operations are limited, gathered, shielded, spawned and awaited like tasks") {
  weft::testing::virtual_clock clock;
  weft::queue<int> q;
  const auto body = [&]() -> task<> {
    bool timed_out = false;
    try {
      co_await async::wait_for(async::get(q), 1s);
    } catch (const weft::timeout_error&) {
      timed_out = true;
    }
    CHECK(timed_out);
    weft::call_later(2s, [&] { q.put(9); });
    const auto both = co_await async::gather(async::sleep_for(1s), async::get(q));
    CHECK(std::get<1>(both) == 9);
    CHECK(clock.elapsed() == 3s);
    const bool in_time = co_await async::move_on_after(1s, async::get(q));
    CHECK_FALSE(in_time);
    co_await async::shield(async::sleep_for(1s));
    CHECK(clock.elapsed() == 5s);
  };
  weft::await(body());
  q.put(11);
  CHECK(weft::await(async::get(q)) == 11);
  CHECK(weft::spawn(async::put(q, 12)).get());
  CHECK(q.get() == 12);
  auto numbers = []() -> weft::async_generator<int> {
    co_await async::sleep_for(1s);
    co_yield 1;
  }();
  CHECK(weft::await(numbers.next()) == 1);
}

TEST_CASE("what is given as a temporary lives as long as the wait for it, also when that begins later") {
  weft::testing::virtual_clock clock;
  // The handle is the last one, and what it names is over before the wait begins.
  auto joined = weft::spawn(async::join(weft::spawn([] {})));
  CHECK(joined.get());
  CHECK(weft::spawn(async::join_for(weft::spawn(late(1)), 2s)).get());
  CHECK_FALSE(weft::spawn(async::join_for(weft::spawn(late(3)), 2s)).get());
  CHECK(weft::spawn(async::get_for(weft::spawn(late(0)), 2s)).get() == 0);
  CHECK(weft::spawn(async::get_for(weft::spawn(late(1)), 2s)).get() == 1);
  CHECK(weft::spawn(async::killall(std::vector{weft::spawn(late(1)), weft::spawn(late(2))})).get());
  const std::string text(1000, 'x');
  auto [here, there] = weft::stream::pair();
  auto written = weft::spawn(async::write_all(here, text + "y"));
  CHECK(there.read_exactly(1001).back() == 'y');
  written.get();
}

TEST_CASE("groups take tasks as they are") {
  weft::testing::virtual_clock clock;
  weft::task_group g;
  auto f = g.spawn(late(2));
  g.spawn(async::sleep_for(1s));
  g.join();
  CHECK(f.get() == 2);
  weft::pool one(1);
  auto a = one.spawn(late(1)), b = one.spawn(late(1));
  CHECK(clock.elapsed() == 3s);
  weft::await([&]() -> task<> {
    const auto c = co_await async::spawn(one, late(1));
    CHECK(a.done());
    co_await async::join(one);
    CHECK(c.done());
  }());
  CHECK(clock.elapsed() == 5s);
}

TEST_CASE("a group runs a coroutine as its body, and a group that was cancelled does not") {
  weft::testing::virtual_clock clock;
  weft::await([&]() -> task<> {
    weft::task_group g;
    bool failed = false;
    try {
      co_await async::run(g, [&]() -> task<> {
        g.spawn([]() -> task<> {
          co_await async::sleep_for(1s);
          throw std::runtime_error("first");
        });
        co_await async::sleep_for(1h);
      });
    } catch (const std::runtime_error&) {
      failed = true;
    }
    CHECK(failed);
    CHECK(clock.elapsed() == 1s);
    weft::task_group over;
    over.cancel();
    bool ran_on = false;
    co_await async::run(over, [&](weft::task_group&) -> task<> {
      co_await async::sleep_for(1h);
      ran_on = true;
    });
    CHECK_FALSE(ran_on);
  }());
}

TEST_CASE("coroutines as callbacks of links, timers and posts are run to their end") {
  weft::testing::virtual_clock clock;
  int n = 0;
  const auto counts = [&]() -> task<> {
    co_await async::sleep_for(1s);
    ++n;
  };
  auto f = weft::spawn(late(1));
  f.link([&](weft::any_fiber of) -> task<> {
    CHECK(of.done());
    co_await counts();
  });
  weft::this_fiber::sleep_for(3s);
  CHECK(n == 1);
  weft::call_later(1s, counts);
  weft::this_hub().post(counts);
  weft::this_fiber::sleep_for(3s);
  CHECK(n == 3);
  auto every = weft::call_every(2s, counts);
  weft::this_fiber::sleep_for(7500ms);
  CHECK(every.cancel());
  CHECK(n == 6);
  CHECK(weft::spawn_later(1s, late, 2).get() == 2);
}

TEST_CASE("tasks wait until a point of time for locks, permits, events and notifications") {
  weft::await([]() -> task<> {
    weft::event never_set;
    bool there = co_await async::wait_until(never_set, steady::now() + 1ms);
    CHECK_FALSE(there);
    weft::mutex m;
    auto held = co_await async::lock_until(m, steady::now());
    CHECK(held.owns_lock());
    weft::condition_variable changed;
    there = co_await async::wait_until(changed, held, std::chrono::system_clock::now() + 1ms);
    CHECK_FALSE(there);
    CHECK(held.owns_lock());
    there = co_await async::wait_until(changed, held, steady::now() + 1ms, [] { return false; });
    CHECK_FALSE(there);
    there = co_await async::wait_for(changed, held, 1ms, [] { return true; });
    CHECK(there);
    weft::semaphore none(0);
    there = co_await async::acquire_until(none, steady::now());
    CHECK_FALSE(there);
    weft::bounded_semaphore one(1);
    there = co_await async::acquire_until(one, steady::now());
    CHECK(there);
    weft::shared_mutex shared;
    const auto reading = co_await async::lock_shared_until(shared, steady::now());
    CHECK(reading.owns_lock());
    const auto writing = co_await async::lock_until(shared, steady::now());
    CHECK_FALSE(writing.owns_lock());
    weft::recursive_mutex again;
    const auto once = co_await async::lock_until(again, steady::now());
    const auto twice = co_await async::lock_until(again, steady::now());
    CHECK(twice.owns_lock());
    const bool in_time = co_await async::move_on_at(steady::now(), async::sleep_for(1h));
    CHECK_FALSE(in_time);
  }());
  CHECK_FALSE(weft::move_on_at(steady::now(), [] { weft::this_fiber::sleep_for(1h); }));
  CHECK_THROWS_AS(weft::fail_at(steady::now() + 1ms, [] { weft::this_fiber::sleep_for(1h); }), weft::timeout_error);
  CHECK(weft::fail_at(steady::now() + 1h, [] { return 5; }) == 5);
}

TEST_CASE("a shielded handle is awaited: who waits can be cancelled, what is waited for goes on") {
  weft::testing::virtual_clock clock;
  auto inner = weft::spawn(late(5));
  auto outer = weft::spawn([&]() -> task<int> { co_return co_await weft::shield(inner); });
  weft::this_fiber::sleep_for(1s);
  outer.kill();
  CHECK(outer.was_cancelled());
  CHECK_FALSE(inner.done());
  CHECK(weft::await([&]() -> task<int> { co_return co_await weft::shield(inner); }()) == 5);
}
