// Cancels what runs at each of its park points, one run a point, and looks that nothing is left: fibers, timers, frames, places in lines,
// descriptors.
//
// A point is a state of the innermost runner: parked for the k-th time, or woken for the k-th time and not run since. Main looks whenever
// its turn comes, and whoever works with the runner before each thing that it does (`pace`); `unseen` counts parks that nobody saw.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <dirent.h>
#include <functional>
#include <utility>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

#include "counted.hpp"

namespace park_points {

using namespace std::chrono_literals;

// Lives in frames and on stacks.
inline int open_descriptors() {
  int n = 0;
  DIR* d = opendir("/proc/self/fd");
  while (readdir(d) != nullptr) ++n;
  closedir(d);
  return n;
}

struct found {
  int points = 0;     // runs that were cancelled
  int cancelled = 0;  // of those, ended by it
  int unseen = 0;     // parks, in all runs, at which main did not see it
};

// The innermost runner of a world, and what was seen of it.
struct watched {
  weft::any_fiber inner;
  int wanted = 0, seen = -1;
  int unseen = 0;
  bool was_parked = false;
  std::uint32_t epoch = 0;

  void begin() { inner = weft::this_fiber::current(); }
  // True when it has come to the wanted point.
  bool look() {
    const auto* f = inner.weft_base();
    if (f == nullptr || f->state == weft::detail::fiber_state::done || seen >= wanted) return seen >= wanted;
    const bool parked = f->parked != nullptr;
    if (seen >= 0 && f->epoch == epoch && parked == was_parked) return false;
    if (seen >= 0) count_unseen();
    ++seen;
    epoch = f->epoch;
    was_parked = parked;
    return seen >= wanted;
  }
  // A wake raises the epoch: from one look to the next by one at most, and only from a park.
  void count_unseen() {
    const std::uint32_t now = inner.weft_base()->epoch;
    unseen += static_cast<int>(now - epoch) - (was_parked && now != epoch ? 1 : 0);
  }
  // For whoever works with it: the next thing is done only after a look at what came of the last, and not before a cancellation.
  void pace() {
    for (int i = 0; i < 3; ++i) {
      weft::this_fiber::yield();
      while (look() && inner && !released) weft::this_fiber::yield();
    }
  }
  bool released = false;  // it was cancelled: everybody goes on
};

// For worlds in which nobody else is needed.
struct idle : watched {
  void work() {
    for (;;) weft::this_fiber::sleep_for(1h);
  }
  void clean() {}
};

// The world of one run has: watched; work(), a fiber beside the one under test, for ever; clean(), which checks what is left. `start`
// starts the one under test.
template <class World, class Start>
found at_every_park_point(Start start) {
  found all;
  int descriptors = -1;
  // The first run is left alone: what is opened once is open then.
  for (int wanted = -1;; ++wanted) {
    REQUIRE(wanted < 2000);
    bool through = false;
    {
      weft::testing::virtual_clock clock;
      counted::alive = 0;
      World world;
      world.wanted = wanted < 0 ? 2000 : wanted;
      auto works = weft::spawn([&] { world.work(); });
      weft::any_fiber outer = start(world);
      int quiet = 0;
      while (!outer.done() && !world.look()) {
        const int before = world.seen;
        weft::this_fiber::yield();
        if (world.seen != before)
          quiet = 0;
        else if (++quiet % 4 == 0)
          clock.advance(20us);
      }
      through = outer.done();
      outer.cancel();
      world.released = true;
      outer.join();  // without a limit: virtual time does not wait for processes
      CHECK(outer.exception() == nullptr);
      if (through) world.count_unseen();
      all.unseen += world.unseen;
      if (!through) ++all.points;
      if (outer.was_cancelled()) ++all.cancelled;
      world.inner = {};
      works.kill();
      weft::this_fiber::sleep_for(1s);  // what was let go comes to its end
      world.clean();
      CHECK(counted::alive == 0);
      CHECK(weft::this_hub().stats().fibers == 1);
      CHECK(weft::this_hub().stats().timers == 0);
    }
    if (wanted < 0)
      descriptors = open_descriptors();
    else
      CHECK(open_descriptors() == descriptors);
    if (through && wanted >= 0) return all;
  }
}

// The same body as a task, as a part of a fiber, and as a task that has it done in a fiber that awaits it; and a blocking body in a fiber
// and in a task's fiber.
template <class World, class Check>
void in_all_ways(Check check) {
  SUBCASE("as a task") {
    check(at_every_park_point<World>([](World& w) { return weft::spawn([&w]() -> weft::task<> {
      w.begin();
      return w.awaited();
    }); }));
  }
  SUBCASE("as a task that a fiber awaits") {
    check(at_every_park_point<World>([](World& w) { return weft::spawn([&w] {
      w.begin();
      weft::await(w.awaited());
    }); }));
  }
  SUBCASE("as a task that a fiber awaits for a task") {
    check(at_every_park_point<World>([](World& w) { return weft::spawn([&w]() -> weft::task<> {
      const counted here;
      co_await weft::in_fiber([&w] {
        w.begin();
        weft::await(w.awaited());
      });
    }); }));
  }
  SUBCASE("as a task below a fiber below a task below a fiber") {
    check(at_every_park_point<World>([](World& w) { return weft::spawn([&w] {
      const counted here;
      weft::await([](World& of) -> weft::task<> {
        const counted here;
        co_await weft::in_fiber([&of] {
          of.begin();
          weft::await(of.awaited());
        });
      }(w));
    }); }));
  }
  if constexpr (requires(World& w) { w.blocking(); }) {
    SUBCASE("as a fiber") {
      check(at_every_park_point<World>([](World& w) { return weft::spawn([&w] {
        w.begin();
        w.blocking();
      }); }));
    }
    SUBCASE("as a fiber that a task waits for") {
      check(at_every_park_point<World>([](World& w) { return weft::spawn([&w]() -> weft::task<> {
        const counted here;
        co_await weft::in_fiber([&w] {
          w.begin();
          w.blocking();
        });
      }); }));
    }
  }
}

// That all parks were seen, and at least `least` points found; most of them end it as cancelled.
struct expect {
  int least;
  void operator()(const found& f) const {
    CHECK(f.points >= least);
    CHECK(f.unseen == 0);
    CHECK(f.cancelled > f.points / 2);
  }
};

}  // namespace park_points
