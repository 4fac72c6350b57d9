// As park_points_sync_test, for: a group's start, what is sent to generators and their clean-up, results that are closed, calls that happen
// once, deadlines that are moved.
#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "park_points.hpp"

using namespace std::chrono_literals;
using namespace park_points;
using weft::task;
using weft::task_status;
namespace async = weft::async;

namespace {

task<> serve(task_status<int> status, int n) {
  const counted here;
  co_await async::sleep_for(40us);
  status.started(n);
  co_await async::sleep_for(40us);
}
void serve_in_fiber(task_status<int> status, int n) {
  const counted here;
  weft::this_fiber::sleep_for(40us);
  status.started(n);
  weft::this_fiber::sleep_for(40us);
}
task<> refuses(task_status<>) {
  const counted here;
  co_await async::sleep_for(20us);
  throw std::runtime_error("not today");
}

struct start_world : idle {
  task<> awaited() {
    const counted here;
    co_await async::with_group([](weft::task_group& g) -> task<> {
      const counted here;
      const int a = co_await async::start<int>(g, serve, 3);
      const int b = co_await async::start<int>(g, serve_in_fiber, 4);
      CHECK(a + b == 7);
      bool thrown = false;
      try {
        co_await async::start(g, refuses);
      } catch (const std::runtime_error&) {
        thrown = true;
      }
      CHECK(thrown);
      co_await async::sleep_for(10us);
    });
  }
  void blocking() {
    const counted here;
    weft::task_group g;
    g.run([&] {
      const int a = g.start<int>(serve, 3), b = g.start<int>(serve_in_fiber, 4);
      CHECK(a + b == 7);
      bool thrown = false;
      try {
        g.start(refuses);
      } catch (const std::runtime_error&) {
        thrown = true;
      }
      CHECK(thrown);
      weft::this_fiber::sleep_for(10us);
    });
  }
};

weft::async_generator<int, int> echo() {
  const counted here;
  int last = 0;
  bool closed = false;
  while (!closed) {
    try {
      const std::optional<int> got = co_yield last;
      last = got.value_or(0);
      co_await async::sleep_for(20us);
    } catch (const weft::greenlet_exit&) {
      closed = true;
    }
  }
  co_await async::sleep_for(20us);
  co_await async::yield();
}

struct generator_world : idle {
  task<> awaited() {
    const counted here;
    auto g = echo();
    co_await g.next();
    for (int i = 1; i < 4; ++i) {
      const auto v = co_await g.send(i);
      CHECK(v == i);
    }
    co_await g.close();
    CHECK(g.done());
    auto shielded = echo();
    co_await shielded.next();
    co_await async::shield(shielded.close());
  }
};

// Takes its time to end, so that who waits for that is seen waiting.
task<int> leaf(int n) {
  const counted here;
  bool cut_off = false;
  try {
    co_await async::sleep_for(n * 40us);
  } catch (const weft::cancelled&) {
    cut_off = true;
  }
  if (cut_off) co_await async::shield(async::sleep_for(20us));
  co_await async::yield();
  co_return n;
}

struct close_world : idle {
  const std::vector<int> numbers{1, 2, 3, 4};
  task<> awaited() {
    const counted here;
    weft::pool p(2);
    auto in_order = async::imap(p, leaf, numbers);
    co_await in_order.next();
    co_await in_order.close();
    CHECK(p.empty());
    co_await async::sleep_for(10us);
  }
  void blocking() {
    const counted here;
    weft::pool p(2);
    auto in_order = p.imap(leaf, numbers);
    in_order.next();
    in_order.close();
    CHECK(p.empty());
    weft::this_fiber::sleep_for(10us);
  }
};

struct once_world : watched {
  weft::once_flag busy, own;
  void work() {
    try {
      weft::call_once(busy, [&] {
        pace();
        throw 1;
      });
    } catch (int) {
    }
    for (;;) weft::this_fiber::sleep_for(1h);
  }
  static task<> once() {
    const counted here;
    co_await async::sleep_for(30us);
  }
  task<> awaited() {
    const counted here;
    co_await async::yield();
    co_await async::call_once(busy, once);
    co_await async::call_once(own, once);
    co_await async::call_once(own, once);
    co_await async::sleep_for(10us);
  }
  void blocking() {
    const counted here;
    const auto once_here = [] {
      const counted here;
      weft::this_fiber::sleep_for(30us);
    };
    weft::this_fiber::yield();
    weft::call_once(busy, once_here);
    weft::call_once(own, once_here);
    weft::call_once(own, once_here);
    weft::this_fiber::sleep_for(10us);
  }
  void clean() {
    int calls = busy.done() ? 1 : 0;
    weft::call_once(busy, [&] { ++calls; });
    CHECK(calls == 1);
  }
};

struct deadline_world : idle {
  task<> awaited() {
    const counted here;
    weft::cancel_scope scope;
    scope.expires_after(40us);
    const bool whole = co_await async::run(scope, [&]() -> task<> {
      const counted here;
      for (int i = 0; i < 3; ++i) {
        co_await async::sleep_for(20us);
        scope.expires_after(40us);
      }
      co_await async::sleep_for(1h);
    });
    CHECK_FALSE(whole);
    co_await async::sleep_for(10us);
  }
  void blocking() {
    const counted here;
    weft::cancel_scope scope;
    scope.expires_after(40us);
    const bool whole = scope.run([&] {
      for (int i = 0; i < 3; ++i) {
        weft::this_fiber::sleep_for(20us);
        scope.expires_after(40us);
      }
      weft::this_fiber::sleep_for(1h);
    });
    CHECK_FALSE(whole);
    weft::this_fiber::sleep_for(10us);
  }
};

}  // namespace

TEST_CASE("children that say when they are ready") { in_all_ways<start_world>(expect{6}); }
TEST_CASE("generators that are sent to, and closed") { in_all_ways<generator_world>(expect{8}); }
TEST_CASE("results that are closed") { in_all_ways<close_world>(expect{4}); }
TEST_CASE("what is called once") { in_all_ways<once_world>(expect{4}); }
TEST_CASE("deadlines that are moved") { in_all_ways<deadline_world>(expect{4}); }
