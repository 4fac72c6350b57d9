// Cancel scopes and timeouts: each stops only its own, however they nest.
#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "weft/async.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

TEST_CASE("move_on_after is true when the work came to its end, false when it was cut off") {
  weft::testing::virtual_clock clock;
  CHECK(weft::move_on_after(2s, [] { sleep_for(1s); }));
  CHECK(clock.elapsed() == 1s);
  bool reached = false;
  CHECK_FALSE(weft::move_on_after(2s, [&] {
    sleep_for(1h);
    reached = true;
  }));
  CHECK_FALSE(reached);
  CHECK(clock.elapsed() == 3s);
  sleep_for(1s);  // nothing is left over
  CHECK(clock.elapsed() == 4s);
}

TEST_CASE("the timer of a scope that was left in time is gone") {
  weft::testing::virtual_clock clock;
  const auto timers = weft::this_hub().stats().timers;
  weft::move_on_after(2s, [] {});
  CHECK_THROWS(weft::move_on_after(2s, [] { throw 1; }));
  CHECK(weft::this_hub().stats().timers == timers);
  sleep_for(10s);
  CHECK(clock.elapsed() == 10s);
}

TEST_CASE("fail_after gives the result, or throws timeout_error") {
  weft::testing::virtual_clock clock;
  CHECK(weft::fail_after(2s, [] { return std::string("in time"); }) == "in time");
  CHECK(*weft::fail_after(2s, [] { return std::make_unique<int>(3); }) == 3);
  weft::fail_after(2s, [] { sleep_for(1s); });
  CHECK_THROWS_AS(weft::fail_after(2s, [] { sleep_for(3s); }), weft::timeout_error);
  CHECK_THROWS_AS(weft::fail_after(2s, []() -> int { sleep_for(3s); return 1; }), weft::timeout_error);
  CHECK(clock.elapsed() == 5s);
}

TEST_CASE("with_timeout gives the result or the fallback") {
  weft::testing::virtual_clock clock;
  const auto after = [](auto d) { return [d] { sleep_for(d); return 7; }; };
  CHECK(weft::with_timeout(2s, after(1s), -1) == 7);
  CHECK(weft::with_timeout(2s, after(1h), -1) == -1);
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("what the work throws passes through") {
  CHECK_THROWS_WITH(weft::move_on_after(1h, [] { throw std::runtime_error("mine"); }), "mine");
  CHECK_THROWS_WITH(weft::fail_after(1h, []() -> int { throw std::runtime_error("mine"); }), "mine");
  CHECK_THROWS_WITH(weft::with_timeout(1h, []() -> int { throw std::runtime_error("mine"); }, 0), "mine");
  CHECK_THROWS_WITH(weft::shield([] { throw std::runtime_error("mine"); }), "mine");
}

TEST_CASE("of nested timeouts each stops only its own stretch: the inner first") {
  weft::testing::virtual_clock clock;
  bool after_inner = false;
  CHECK(weft::move_on_after(10s, [&] {
    CHECK_FALSE(weft::move_on_after(1s, [] { sleep_for(1h); }));
    after_inner = true;
    sleep_for(2s);
  }));
  CHECK(after_inner);
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("of nested timeouts each stops only its own stretch: the outer first") {
  weft::testing::virtual_clock clock;
  bool after_inner = false, inner_threw_timeout = false;
  CHECK_FALSE(weft::move_on_after(1s, [&] {
    try {
      weft::fail_after(10s, [] { sleep_for(1h); });
    } catch (const weft::timeout_error&) {
      inner_threw_timeout = true;
    }
    after_inner = true;
  }));
  CHECK_FALSE(after_inner);
  CHECK_FALSE(inner_threw_timeout);
  CHECK(clock.elapsed() == 1s);
}

TEST_CASE("when inner and outer expire together the outer one has it") {
  weft::testing::virtual_clock clock;
  bool after_inner = false;
  CHECK_FALSE(weft::move_on_after(5s, [&] {
    weft::move_on_after(5s, [] { sleep_for(1h); });
    after_inner = true;
  }));
  CHECK_FALSE(after_inner);
  CHECK(clock.elapsed() == 5s);
}

TEST_CASE("an outer timeout that expires while the inner one's cut-off unwinds is seen at the next park") {
  weft::testing::virtual_clock clock;
  bool after_inner = false, after_park = false;
  CHECK_FALSE(weft::move_on_after(5s, [&] {
    try {
      CHECK_FALSE(weft::move_on_after(4s, [&] { sleep_for(1h); }));
    } catch (const weft::cancelled&) {
      FAIL_CHECK("the inner scope's own");
    }
    after_inner = true;
    clock.advance(2s);
    sleep_for(1h);
    after_park = true;
  }));
  CHECK(after_inner);
  CHECK_FALSE(after_park);
}

TEST_CASE("a deadline that passes while the fiber computes is seen at its next park") {
  weft::testing::virtual_clock clock;
  bool computed = false;
  CHECK_FALSE(weft::move_on_after(1s, [&] {
    clock.advance(5s);
    computed = true;
    sleep_for(10s);
  }));
  CHECK(computed);
  CHECK(clock.elapsed() == 5s);
}

TEST_CASE("a timeout of zero still lets work that does not park finish") {
  CHECK(weft::move_on_after(0s, [] {}));
  CHECK_FALSE(weft::move_on_after(0s, [] { sleep_for(1h); }));
  CHECK_FALSE(weft::move_on_after(-5s, [] { sleep_for(1h); }));
}

TEST_CASE("a timeout that swallowing code keeps alive is thrown again at each park inside, and not outside") {
  weft::testing::virtual_clock clock;
  int swallowed = 0;
  CHECK(weft::move_on_after(1s, [&] {
    for (int i = 0; i < 3; ++i) try { sleep_for(1h); } catch (const weft::cancelled&) { ++swallowed; }
  }));
  CHECK(swallowed == 3);
  CHECK(clock.elapsed() == 1s);
  sleep_for(1s);
  CHECK(clock.elapsed() == 2s);
}

TEST_CASE("cancellation of the fiber passes through its timeouts") {
  weft::testing::virtual_clock clock;
  bool after = false;
  auto f = weft::spawn([&] {
    weft::move_on_after(1h, [] { weft::move_on_after(1min, [] { sleep_for(2h); }); });
    after = true;
  });
  weft::this_fiber::yield();
  f.kill();
  CHECK_FALSE(after);
  CHECK(f.was_cancelled());
  CHECK(clock.elapsed() == 0s);
}

TEST_CASE("a scope is cancelled from another fiber, and only the work inside it stops") {
  weft::testing::virtual_clock clock;
  weft::cancel_scope scope;
  bool stopped = false, went_on = false;
  auto f = weft::spawn([&] {
    stopped = !scope.run([] { sleep_for(1h); });
    sleep_for(1s);
    went_on = true;
  });
  sleep_for(5s);
  CHECK_FALSE(scope.cancel_called());
  scope.cancel();
  CHECK(scope.cancel_called());
  f.join();
  CHECK(stopped);
  CHECK(went_on);
  CHECK_FALSE(scope.deadline_passed());
  CHECK(f.successful());
  CHECK(clock.elapsed() == 6s);
}

TEST_CASE("a scope cancelled before it is entered stops its work at the first park") {
  weft::cancel_scope scope;
  scope.cancel();
  int steps = 0;
  CHECK_FALSE(scope.run([&] {
    ++steps;
    weft::this_fiber::checkpoint();
    ++steps;
  }));
  CHECK(steps == 1);
  weft::this_fiber::checkpoint();  // outside it is not felt
}

TEST_CASE("a scope cancelled after it was left does nothing to its fiber") {
  weft::cancel_scope scope;
  CHECK(scope.run([] {}));
  scope.cancel();
  weft::this_fiber::checkpoint();
}

TEST_CASE("a scope whose deadline passed says so") {
  weft::testing::virtual_clock clock;
  weft::cancel_scope scope;
  weft::detail::hub& h = weft::detail::current_hub();
  CHECK_FALSE(scope.run_until(weft::detail::deadline_after(h, 3s), [] { sleep_for(1h); }));
  CHECK(scope.deadline_passed());
  CHECK(scope.cancel_called());
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("a shield holds back an outer timeout, not a timeout inside it") {
  weft::testing::virtual_clock clock;
  bool inner_cut = false, shielded_done = false;
  CHECK_FALSE(weft::move_on_after(1s, [&] {
    CHECK(weft::shield([&] {
      sleep_for(5s);
      inner_cut = !weft::move_on_after(1s, [] { sleep_for(1h); });
      shielded_done = true;
      return 3;
    }) == 3);
    weft::this_fiber::checkpoint();
    FAIL_CHECK("outside the shield the timeout is due");
  }));
  CHECK(inner_cut);
  CHECK(shielded_done);
  CHECK(clock.elapsed() == 6s);
}

TEST_CASE("lowering a shield lets what waited behind it through at once") {
  weft::testing::virtual_clock clock;
  weft::cancel_scope scope;
  scope.set_shield(true);
  auto f = weft::spawn([&] { scope.run([] { sleep_for(1h); }); });
  weft::this_fiber::yield();
  f.cancel();
  sleep_for(1s);
  CHECK_FALSE(f.done());
  scope.set_shield(false);
  f.join();
  CHECK(clock.elapsed() == 1s);
  CHECK(f.was_cancelled());
}

TEST_CASE("a shielded scope that is cancelled itself stops") {
  weft::cancel_scope scope;
  scope.set_shield(true);
  bool stopped = false;
  auto f = weft::spawn([&] { stopped = !scope.run([] { sleep_for(1h); }); });
  weft::this_fiber::yield();
  scope.cancel();
  f.join();
  CHECK(stopped);
  CHECK(f.successful());
}

TEST_CASE("a thousand timeouts nested in one fiber unwind to the right one") {
  weft::testing::virtual_clock clock;
  int left_normally = 0, cut = 0;
  const auto nest = [&](auto& self, int depth) -> void {
    if (depth == 0) {
      sleep_for(1h);
      return;
    }
    // Outer levels have more time; level 40 has least.
    const auto d = depth == 40 ? 1s : std::chrono::seconds(1000 + depth);
    if (weft::move_on_after(d, [&] { self(self, depth - 1); }))
      ++left_normally;
    else
      ++cut;
  };
  weft::spawn({.stack_size = 4 << 20}, [&] { nest(nest, 1000); }).join();
  CHECK(cut == 1);
  CHECK(left_normally == 960);
  CHECK(clock.elapsed() == 1s);
}

TEST_CASE("a deadline that is moved on with each sign of life cuts off when those stay away, in both styles") {
  weft::testing::virtual_clock clock;
  for (const bool in_task : {false, true}) {
    const auto begun = clock.elapsed();
    weft::cancel_scope idle;
    idle.expires_after(2s);
    CHECK(idle.expiry() == weft::hub_clock::now() + 2s);
    auto life = weft::spawn([&] {
      for (int i = 0; i < 5; ++i) {
        sleep_for(1s);
        idle.expires_after(2s);
      }
    });
    if (in_task)
      CHECK_FALSE(weft::await(weft::async::run(idle, weft::async::sleep_for(1h))));
    else
      CHECK_FALSE(idle.run([] { sleep_for(1h); }));
    CHECK(clock.elapsed() - begun == 7s);
    CHECK(idle.deadline_passed());
    life.get();
  }
  CHECK(weft::this_hub().stats().timers == 0);
}

TEST_CASE("a deadline is given, brought forward, taken back and given again while the scope runs") {
  weft::testing::virtual_clock clock;
  weft::cancel_scope scope;
  CHECK(scope.expiry() == weft::hub_clock::time_point::max());
  CHECK(scope.run([&] {
    scope.expires_after(1s);
    scope.expires_never();
    sleep_for(5s);
    scope.expires_at(weft::hub_clock::now() + 10s);
    sleep_for(1s);
    scope.expires_after(1s);
    weft::shield([] { sleep_for(500ms); });
    scope.expires_at(std::chrono::steady_clock::now() + 1h);
    sleep_for(2s);
  }));
  CHECK_FALSE(scope.cancel_called());
  CHECK(clock.elapsed() == 8500ms);
  weft::cancel_scope late;
  CHECK_FALSE(late.run([&] {
    late.expires_after(1s);
    weft::shield([] { sleep_for(2s); });
    late.expires_after(1h);  // it has passed: that stays so
    sleep_for(1s);
    FAIL_CHECK("it went on");
  }));
  weft::cancel_scope past;
  past.expires_after(-1s);
  CHECK_FALSE(past.run([] { sleep_for(1s); }));
  CHECK(weft::this_hub().stats().timers == 0);
}

TEST_CASE("the deadline of a scope that another OS thread's fiber is in cannot be moved") {
  weft::cancel_scope scope;
  scope.run([&] {
    std::thread([&] { CHECK_THROWS_AS(scope.expires_after(1s), weft::wrong_hub); }).join();
  });
  CHECK(scope.expiry() == weft::hub_clock::time_point::max());
}

TEST_CASE("a fiber asks when the first timeout around it passes, and whether one is due") {
  using weft::this_fiber::cancel_due;
  using weft::this_fiber::deadline;
  weft::testing::virtual_clock clock;
  const auto none = weft::hub_clock::time_point::max();
  const auto begun = weft::hub_clock::now();
  CHECK(deadline() == none);
  CHECK_FALSE(cancel_due());
  weft::move_on_after(5s, [&] {
    CHECK(deadline() == begun + 5s);
    weft::move_on_after(1h, [&] { CHECK(deadline() == begun + 5s); });
    weft::move_on_after(2s, [&] { CHECK(deadline() == begun + 2s); });
    weft::shield([&] {
      CHECK(deadline() == none);
      weft::move_on_after(7s, [&] { CHECK(deadline() == begun + 7s); });
      sleep_for(6s);
      CHECK_FALSE(cancel_due());
    });
    CHECK(cancel_due());
    CHECK(deadline() == weft::hub_clock::time_point::min());
  });
  CHECK_FALSE(cancel_due());
  auto f = weft::spawn([&] {
    try {
      sleep_for(1h);
    } catch (const weft::cancelled&) {
      CHECK(cancel_due());
      CHECK(deadline() == weft::hub_clock::time_point::min());
    }
  });
  auto t = weft::spawn([&]() -> weft::task<> {
    co_await weft::async::move_on_after(3s, [&]() -> weft::task<> {
      CHECK(deadline() == weft::hub_clock::now() + 3s);
      co_return;
    });
    CHECK(deadline() == none);
  });
  weft::this_fiber::yield();
  f.kill();
  t.get();
}
