// Fibers and tasks that wait for each other, alone, in groups and below each other, cancelled at each of their park points. Then nothing of
// them is left.
#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "park_points.hpp"

using namespace std::chrono_literals;
using namespace park_points;
using weft::task;
namespace async = weft::async;

namespace {

task<int> leaf(int n) {
  const counted here;
  co_await async::sleep_for(40us);
  co_await async::yield();
  co_return n;
}
int fiber_leaf(int n) {
  const counted here;
  weft::this_fiber::sleep_for(40us);
  weft::this_fiber::yield();
  return n;
}

struct several_world : idle {
  task<> awaited() {
    const counted here;
    std::vector<weft::fiber<int>> v{weft::spawn(leaf, 1), weft::spawn(fiber_leaf, 2)};
    auto first = co_await async::wait(v, weft::first_completed);
    co_await async::joinall(v);
    const auto both = co_await async::gather(leaf(1), [] { return fiber_leaf(2); });
    CHECK(std::get<1>(both) == 2);
    auto settled = co_await async::gather_settled(leaf(1), [] { return fiber_leaf(2); });
    std::vector<weft::fiber<int>> more{weft::spawn(leaf, 1), weft::spawn(fiber_leaf, 2)};
    auto ended = async::as_completed(more);
    while (auto f = co_await ended.next()) static_cast<void>(co_await *f);
    const int in_time = co_await async::wait_for(leaf(3), 1h);
    CHECK(in_time == 3);
    auto late = weft::spawn(leaf, 4);
    co_await async::kill(late);
    auto kept = weft::spawn(leaf, 5);
    const int shielded = co_await async::wait_for(weft::shield(kept), 1h);
    CHECK(shielded == 5);
  }
  void blocking() {
    const counted here;
    std::vector<weft::fiber<int>> v{weft::spawn(leaf, 1), weft::spawn(fiber_leaf, 2)};
    weft::wait(v, weft::first_completed);
    weft::joinall(v);
    weft::gather(leaf(1), [] { return fiber_leaf(2); });
    weft::gather_settled(leaf(1), [] { return fiber_leaf(2); });
    std::vector<weft::fiber<int>> more{weft::spawn(leaf, 1), weft::spawn(fiber_leaf, 2)};
    for (auto& f : weft::as_completed(more)) f.get();
    weft::wait_for(leaf(3), 1h);
    weft::spawn(leaf, 4).kill();
    auto kept = weft::spawn(leaf, 5);
    weft::wait_for(weft::shield(kept), 1h);
  }
};

struct groups_world : idle {
  task<> awaited() {
    const counted here;
    co_await async::with_group([](weft::task_group& g) -> task<> {
      const counted here;
      g.spawn(leaf, 1);
      g.spawn(fiber_leaf, 2);
      co_await async::sleep_for(20us);
    });
    bool thrown = false;
    try {
      co_await async::with_group([](weft::task_group& g) -> task<> {
        const counted here;
        g.spawn([]() -> task<> {
          co_await async::sleep_for(20us);
          throw std::runtime_error("one fails");
        });
        co_await async::sleep_for(1h);
      });
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    CHECK(thrown);
    weft::pool p(2);
    for (int i = 0; i < 3; ++i) co_await async::spawn(p, leaf, i);
    co_await async::wait_available(p);
    co_await async::join(p);
    std::vector<int> numbers{1, 2, 3};
    const auto got = co_await async::map(p, leaf, numbers);
    CHECK(got == numbers);
    auto in_order = async::imap(p, leaf, numbers);
    while (auto n = co_await in_order.next()) CHECK(*n > 0);
    auto as_done = async::imap_unordered(p, leaf, numbers, 1);
    while (auto n = co_await as_done.next()) CHECK(*n > 0);
    const int one = co_await async::apply(p, fiber_leaf, 7);
    CHECK(one == 7);
    co_await async::kill(p);
  }
  void blocking() {
    const counted here;
    {
      weft::task_group g;
      g.run([&] {
        g.spawn(leaf, 1);
        g.spawn(fiber_leaf, 2);
        weft::this_fiber::sleep_for(20us);
      });
    }
    weft::pool p(2);
    for (int i = 0; i < 3; ++i) p.spawn(leaf, i);
    p.wait_available();
    p.join();
    p.map(leaf, std::vector<int>{1, 2, 3});
    for (int n : p.imap(fiber_leaf, std::vector<int>{1, 2, 3})) CHECK(n > 0);
    for (int n : p.imap_unordered(leaf, std::vector<int>{1, 2, 3})) CHECK(n > 0);
    p.apply(fiber_leaf, 7);
    p.kill();
  }
};

weft::async_generator<int> ticks(int n) {
  const counted here;
  for (int i = 0; i < n; ++i) {
    co_await async::sleep_for(20us);
    co_yield i;
  }
}

struct nested_world : idle {
  task<> awaited() {
    const counted here;
    auto g = ticks(2);
    while (auto v = co_await g.next()) co_await leaf(*v);
    co_await async::collect(ticks(2));
    co_await async::move_on_after(30us, [] { return async::sleep_for(1h); });
    co_await async::fail_after(1h, leaf(1));
    co_await async::with_timeout(1h, leaf(1), 0);
    weft::cancel_scope scope;
    co_await async::run(scope, leaf(2));
    co_await weft::in_fiber([] { weft::await(leaf(3)); });
    co_await weft::spawn([] { weft::await(leaf(4)); });
    co_await async::shield([] { return leaf(5); });
  }
  void blocking() {
    const counted here;
    weft::move_on_after(30us, [] { weft::this_fiber::sleep_for(1h); });
    weft::fail_after(1h, [] { return fiber_leaf(1); });
    weft::with_timeout(1h, [] { return fiber_leaf(1); }, 0);
    weft::cancel_scope scope;
    scope.run([] { fiber_leaf(2); });
    weft::await([]() -> task<> { co_await weft::in_fiber([] { fiber_leaf(3); }); }());
    weft::spawn([]() -> task<> { co_await leaf(4); }).get();
    weft::shield([] { return fiber_leaf(5); });
  }
};

}  // namespace

TEST_CASE("gather, wait, as_completed, joinall, wait_for, kill") { in_all_ways<several_world>(expect{10}); }
TEST_CASE("task groups and pools") { in_all_ways<groups_world>(expect{10}); }
TEST_CASE("generators, scopes, fibers below tasks") { in_all_ways<nested_world>(expect{10}); }
