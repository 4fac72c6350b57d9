// hub::call: a function that runs on another OS thread's hub, for a thread, for a fiber, for a pool's job.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include "weft/async.hpp"
#include "weft/cancel.hpp"
#include "weft/event.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"
#include "weft/thread_pool.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

namespace {

// Runs fn(home) on a thread of its own, while this thread's fibers go on.
void beside(const std::function<void(const weft::hub&)>& fn) {
  weft::event over;
  std::thread t([&fn, &over, home = weft::this_hub()] {
    fn(home);
    home.post([&over] { over.set(); });
  });
  over.wait();
  t.join();
}

// A thread with a hub of its own: fn() runs in its main fiber.
void in_other_hub(const std::function<void(const weft::hub&)>& fn) {
  beside([&](const weft::hub& home) {
    weft::this_hub();
    fn(home);
  });
}

}  // namespace

TEST_CASE("a thread without a hub has a function called in a fiber of the hub, and waits for what it gives") {
  const auto id = std::this_thread::get_id();
  beside([&](const weft::hub& home) {
    CHECK(home.call([&] {
      sleep_for(100us);
      CHECK(std::this_thread::get_id() == id);
      return 7;
    }) == 7);
    CHECK(*home.call([n = std::make_unique<int>(8)]() mutable { return std::move(n); }) == 8);
    int calls = 0;
    home.call([&] { ++calls; });
    CHECK(calls == 1);
    CHECK_THROWS_WITH(home.call([]() -> int { throw std::runtime_error("over there"); }), "over there");
    CHECK_THROWS_AS(home.call([] {
      weft::this_fiber::current().cancel();
      sleep_for(1h);
    }),
                    weft::fiber_cancelled);
    CHECK(home.call([]() -> weft::task<int> {
      co_await weft::async::sleep_for(100us);
      co_return 9;
    }) == 9);
  });
}

TEST_CASE("a fiber of another hub parks meanwhile, and its neighbours run") {
  in_other_hub([](const weft::hub& home) {
    int turns = 0;
    bool stop = false;
    auto neighbour = weft::spawn([&] {
      while (!stop) {
        ++turns;
        weft::this_fiber::yield();
      }
    });
    int n = 0;
    CHECK(home.call([&n] { return ++n; }) == 1);
    CHECK(turns > 0);
    CHECK_THROWS_WITH(home.call([] { throw std::runtime_error("over there"); }), "over there");
    auto task = weft::spawn([&]() -> weft::task<int> { co_return co_await weft::in_fiber([&] { return home.call([] { return 3; }); }); });
    CHECK(task.get() == 3);
    auto refused = weft::spawn([&]() -> weft::task<> {
      home.call([&n] { ++n; });
      co_return;
    });
    CHECK_THROWS_AS(refused.get(), weft::would_block_hub);
    stop = true;
    neighbour.get();
    home.call([] {});  // whatever was posted before has run now
    CHECK(n == 1);
  });
}

TEST_CASE("who is cancelled in a call leaves it, and the function goes on unheard") {
  weft::event go;
  std::atomic<int> ended{0};
  in_other_hub([&](const weft::hub& home) {
    std::atomic<bool> begun{false};
    auto f = weft::spawn([&] {
      home.call([&, kept = std::make_shared<int>(1)] {
        begun = true;
        go.wait();
        ended += *kept;
        return std::make_shared<int>(2);
      });
    });
    while (!begun) sleep_for(100us);
    f.kill();
    CHECK(f.was_cancelled());
    CHECK(ended == 0);
    home.call([&] { go.set(); });
    while (ended == 0) sleep_for(100us);
  });
  CHECK(ended == 1);
}

TEST_CASE("on the hub's own thread it is a plain call") {
  const void* here = weft::this_fiber::current().id();
  CHECK(weft::this_hub().call([] { return weft::this_fiber::current().id(); }) == here);
  CHECK_THROWS_AS(weft::this_hub().call([] { throw 1; }), int);
  CHECK(weft::this_hub().call([]() -> weft::task<int> { co_return 2; }) == 2);
}

TEST_CASE("a job of a pool of threads calls back into the hub that waits for it") {
  const auto home = weft::this_hub();
  weft::thread_pool pool(2);
  const auto job = [home](int n) {
    return home.call([n] {
      sleep_for(100us);
      return 2 * n;
    });
  };
  auto a = pool.spawn(job, 1), b = pool.spawn(job, 2);
  CHECK(a.get() + b.get() == 6);
}

TEST_CASE("under a virtual clock time passes for what a pool's job calls") {
  weft::testing::virtual_clock clock;
  weft::thread_pool pool(2);
  const auto job = [home = weft::this_hub()](int hours) {
    return home.call([hours] {
      sleep_for(std::chrono::hours(hours));
      return hours;
    });
  };
  CHECK(pool.apply(job, 3) == 3);
  CHECK(clock.elapsed() == 3h);
  CHECK_THROWS_AS(pool.apply([home = weft::this_hub()] { home.call([] { throw 1; }); }), int);
  CHECK(pool.apply(job, 2) == 2);
  CHECK(clock.elapsed() == 5h);
}

TEST_CASE("a hub that has ended, or ends, takes no calls: who asks comes back in any case") {
  std::optional<weft::hub> gone;
  std::thread([&] { gone = weft::this_hub(); }).join();
  CHECK_THROWS_AS(gone->call([] {}), weft::hub_closed);
  beside([](const weft::hub&) { CHECK(true); });
  // It ends while calls are on their way.
  for (int i = 0; i < 20; ++i) {
    std::optional<weft::hub> ending;
    std::atomic<bool> there{false}, asked{false};
    std::thread shortlived([&] {
      ending = weft::this_hub();
      there = true;
      while (!asked) std::this_thread::yield();
    });
    while (!there) std::this_thread::yield();
    int outcome = 0;
    std::thread asker([&, hub = *ending] {
      asked = true;
      try {
        outcome = hub.call([] { return 1; });
      } catch (const weft::hub_closed&) {
        outcome = 2;
      } catch (const weft::fiber_cancelled&) {
        outcome = 3;
      }
    });
    asker.join();
    shortlived.join();
    CHECK(outcome != 0);
  }
}
