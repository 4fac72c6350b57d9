// Cancellation of tasks: at every point where they wait, by handle, scope and timeout, alone and mixed with fibers; nothing is left behind.
#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

#include "counted.hpp"

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

namespace {

// What a cancelled task must leave as it was.
struct things {
  weft::event event;
  weft::semaphore permits{1};
  weft::mutex lock;
  weft::condition_variable changed;
  weft::queue<int> narrow{1};
  weft::async_result<int> result;
  int finished = 0;
};

task<int> leaf(things&, int n) {
  const counted here;
  co_await async::sleep_for(1ms);
  co_await async::yield();
  co_return n;
}

// Every kind of await, one after the other, some of them below others.
task<> everything(things& t) {
  const counted here;
  co_await async::sleep_for(1ms);
  co_await async::yield();
  co_await leaf(t, 1);
  co_await async::join_for(t.event, 1ms);
  co_await t.event;
  co_await t.result;
  {
    co_await async::acquire(t.permits);
    const counted held;
    struct give_back {
      weft::semaphore& s;
      ~give_back() { s.release(); }
    } back{t.permits};
    co_await async::sleep_for(1ms);
  }
  {
    auto held = co_await async::lock(t.lock);
    co_await async::wait_for(t.changed, held, 1ms);
    co_await async::wait(t.changed, held);
  }
  co_await async::put(t.narrow, 1);
  co_await async::put(t.narrow, 2);
  co_await async::get(t.narrow);
  co_await weft::spawn(leaf, std::ref(t), 2);
  co_await weft::spawn([&t] { weft::await(leaf(t, 3)); });
  co_await weft::in_fiber([] {
    const counted in_fiber;
    weft::this_fiber::sleep_for(2ms);
  });
  co_await async::move_on_after(1ms, [] { return async::sleep_for(1h); });
  co_await async::fail_after(1s, leaf(t, 4));
  co_await async::with_group([&t](weft::task_group& g) -> task<> {
    g.spawn(leaf, std::ref(t), 5);
    g.spawn([&t] { weft::await(leaf(t, 6)); });
    co_await async::sleep_for(1ms);
  });
  co_await async::shield([&t] { return leaf(t, 7); });
  ++t.finished;
}

// The other side of each hand-over, always there again.
void helper(things& t) {
  for (;;) {
    t.event.set();
    if (!t.result.done()) t.result.set_value(1);
    t.changed.notify_all();
    {
      const std::lock_guard held(t.lock);
      const std::lock_guard permit(t.permits);
      weft::this_fiber::sleep_for(500us);
    }
    while (t.narrow.try_get()) {
    }
    t.narrow.try_put(0);
    weft::this_fiber::sleep_for(300us);
  }
}

template <class Start>
int cancel_at_every_point(Start start) {
  int cancelled = 0;
  for (int steps = 0;; ++steps) {
    REQUIRE(steps < 5000);
    weft::testing::virtual_clock clock;
    counted::alive = 0;
    things t;
    auto works = weft::spawn(helper, std::ref(t));
    weft::any_fiber f = start(t);
    // A step lets all that is ready run once; where nothing is, a little time passes.
    for (int i = 0; i < steps && !f.done(); ++i) {
      if (i % 4 == 3)
        weft::this_fiber::sleep_for(50us);
      else
        weft::this_fiber::yield();
    }
    const bool too_late = f.done();
    f.cancel();
    CHECK(f.join_for(1s));
    CHECK(f.exception() == nullptr);
    if (f.was_cancelled()) ++cancelled;
    CHECK((f.was_cancelled() || t.finished == 1));
    works.kill();
    weft::this_fiber::sleep_for(10ms);  // what it had spawned and not joined goes on to its end
    // Everything can be had again, and nobody is in any line.
    CHECK(t.lock.try_lock());
    t.lock.unlock();
    CHECK(t.permits.value() == 1);
    CHECK(counted::alive == 0);
    CHECK(weft::this_hub().stats().fibers == 1);
    CHECK(weft::this_hub().stats().timers == 0);
    if (too_late) return cancelled;
  }
}

}  // namespace

TEST_CASE("a task that is cancelled at any of its park points leaves nothing behind") {
  const int cancelled = cancel_at_every_point([](things& t) { return weft::spawn(everything, std::ref(t)); });
  CHECK(cancelled > 100);
}

TEST_CASE("a fiber that awaits a task, cancelled at any of the park points, leaves nothing behind") {
  const int cancelled = cancel_at_every_point([](things& t) { return weft::spawn([&t] { weft::await(everything(t)); }); });
  CHECK(cancelled > 100);
}

TEST_CASE("a task that awaits a fiber that awaits a task, cancelled at any of the park points, leaves nothing behind") {
  const int cancelled = cancel_at_every_point([](things& t) {
    return weft::spawn([&t]() -> task<> { co_await weft::in_fiber([&t] { weft::await(everything(t)); }); });
  });
  CHECK(cancelled > 100);
}

TEST_CASE("a timeout around a task cuts it off at any of its park points") {
  int cut = 0, whole = 0;
  for (auto limit = 1us; whole == 0; limit += 37us) {
    weft::testing::virtual_clock clock;
    counted::alive = 0;
    things t;
    auto works = weft::spawn(helper, std::ref(t));
    const bool in_time = weft::await(async::move_on_after(limit, [&t] { return everything(t); }));
    ++(in_time ? whole : cut);
    CHECK((in_time || clock.elapsed() >= limit));
    works.kill();
    weft::this_fiber::sleep_for(10ms);
    CHECK_FALSE(t.lock.is_locked());
    CHECK(t.permits.value() == 1);
    CHECK(counted::alive == 0);
    CHECK(weft::this_hub().stats().fibers == 1);
  }
  CHECK(cut > 100);
}

TEST_CASE("a task that is cancelled before it begins never runs") {
  bool ran = false;
  auto f = weft::spawn([&]() -> task<> {
    ran = true;
    co_return;
  });
  f.cancel();
  f.join();
  CHECK(f.was_cancelled());
  CHECK_FALSE(ran);
  CHECK_THROWS_AS(f.get(), weft::fiber_cancelled);
}

TEST_CASE("cancellation is sticky in a task, as it is in a fiber") {
  int thrown = 0;
  auto f = weft::spawn([&]() -> task<> {
    for (int i = 0; i < 3; ++i) {
      try {
        co_await async::sleep_for(1h);
      } catch (const weft::cancelled&) {
        ++thrown;
      }
    }
    co_await async::yield();
  });
  weft::testing::wait_all_blocked();
  f.kill();
  CHECK(thrown == 3);
  CHECK(f.was_cancelled());
}

TEST_CASE("an exception that is thrown in arrives at the await, once") {
  std::string seen;
  auto f = weft::spawn([&]() -> task<> {
    try {
      co_await async::sleep_for(1h);
    } catch (const std::runtime_error& e) {
      seen = e.what();
    }
    co_await async::yield();
  });
  weft::testing::wait_all_blocked();
  f.throw_in(std::make_exception_ptr(std::runtime_error("thrown in")));
  f.get();
  CHECK(seen == "thrown in");
  auto early = weft::spawn([]() -> task<> { co_return; });
  early.throw_in(std::make_exception_ptr(std::runtime_error("early")));
  CHECK_THROWS_WITH(early.get(), "early");
}

TEST_CASE("nested timeouts of tasks: each catches its own") {
  weft::testing::virtual_clock clock;
  std::string order;
  weft::await([&]() -> task<> {
    const bool outer = co_await async::move_on_after(2ms, [&]() -> task<> {
      const bool inner = co_await async::move_on_after(1ms, [] { return async::sleep_for(1h); });
      order += inner ? "?" : "inner ";
      co_await async::sleep_for(1h);
    });
    order += outer ? "?" : "outer";
  }());
  CHECK(order == "inner outer");
  CHECK(clock.elapsed() == 2ms);
}

TEST_CASE("fail_after throws timeout_error, with_timeout gives the fallback, and in time they give the value") {
  weft::testing::virtual_clock clock;
  const auto slow = [](int ms) -> task<int> {
    co_await async::sleep_for(std::chrono::milliseconds(ms));
    co_return ms;
  };
  CHECK_THROWS_AS(weft::await(async::fail_after(1ms, slow(5))), weft::timeout_error);
  CHECK(weft::await(async::fail_after(1s, slow(5))) == 5);
  CHECK(weft::await(async::with_timeout(1ms, slow(5), -1)) == -1);
  CHECK(weft::await(async::with_timeout(1s, slow(5), -1)) == 5);
  weft::event ev;
  CHECK_THROWS_AS(weft::await(async::fail_after(1ms, [&] { return async::join(ev); })), weft::timeout_error);
}

TEST_CASE("a shield holds cancellation back until what it covers is over") {
  std::string order;
  auto f = weft::spawn([&]() -> task<> {
    co_await async::shield([&]() -> task<> {
      co_await async::sleep_for(1ms);
      order += "finished ";
    });
    try {
      co_await async::yield();
    } catch (const weft::cancelled&) {
      order += "cancelled";
      throw;
    }
  });
  weft::testing::wait_all_blocked();
  f.kill();
  CHECK(order == "finished cancelled");
}

TEST_CASE("a scope cancels what a task awaits in it, from a fiber and from another task") {
  for (const bool from_task : {false, true}) {
    weft::cancel_scope scope;
    auto f = weft::spawn([&]() -> task<bool> { co_return co_await async::run(scope, [] { return async::sleep_for(1h); }); });
    weft::testing::wait_all_blocked();
    if (from_task)
      weft::spawn([&]() -> task<> {
        scope.cancel();
        co_return;
      }).get();
    else
      scope.cancel();
    CHECK_FALSE(f.get());
  }
}

TEST_CASE("main that waits for a task that nothing can wake gets a deadlock with the chain of awaits") {
  weft::event never;
  auto f = weft::spawn({.name = "stuck"}, [&]() -> task<> { co_await never; });
  try {
    f.join();
    FAIL("no deadlock");
  } catch (const weft::deadlock& e) {
    CHECK(std::string(e.what()).find("\"stuck\": parked in co_await") != std::string::npos);
  }
  CHECK_THROWS_AS(weft::await([&]() -> task<> { co_await never; }()), weft::deadlock);
  f.kill();
}
