// Everything that waits, cancelled at each of its park points, as task, as fiber and as fibers and tasks that wait for each other. Then
// nothing is left in any line, and what was held can be had again.
#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "park_points.hpp"

using namespace std::chrono_literals;
using namespace park_points;
using weft::task;
namespace async = weft::async;

namespace {

struct time_world : idle {
  task<> awaited() {
    const counted here;
    co_await async::sleep_for(1ms);
    co_await async::sleep_for(0ms);
    co_await async::sleep_for(1ms);
  }
  void blocking() {
    const counted here;
    weft::this_fiber::sleep_for(1ms);
    weft::this_fiber::sleep_for(0ms);
    weft::this_fiber::sleep_for(1ms);
  }
};

struct waitables_world : watched {
  weft::event ev;
  weft::async_result<int> result;
  weft::latch latch{2};
  void work() {
    pace();
    ev.set();
    pace();
    result.set_value(1);
    pace();
    latch.count_down(latch.count());
    for (;;) weft::this_fiber::sleep_for(1h);
  }
  task<> awaited() {
    const counted here;
    co_await async::join_for(ev, 10us);
    co_await ev;
    co_await result;
    co_await async::arrive_and_wait(latch);
  }
  void blocking() {
    const counted here;
    ev.wait_for(10us);
    ev.wait();
    result.get();
    latch.arrive_and_wait();
  }
  void clean() {}
};

struct permits_world : watched {
  weft::semaphore s{0};
  weft::bounded_semaphore b{1};
  int given = 0;
  void work() {
    b.acquire();
    for (;;) {
      pace();
      if (given < 2) s.release(), ++given;
      pace();
      b.release();
      pace();
      b.acquire();
    }
  }
  struct back {
    permits_world& w;
    ~back() { w.b.release(); }
  };
  task<> awaited() {
    const counted here;
    co_await async::acquire(s);
    s.release();
    co_await async::acquire(s);
    s.release();
    co_await async::acquire(b);
    const back at_end{*this};
    co_await async::sleep_for(1ms);
  }
  void blocking() {
    const counted here;
    s.acquire();
    s.release();
    s.acquire();
    s.release();
    b.acquire();
    const back at_end{*this};
    weft::this_fiber::sleep_for(1ms);
  }
  void clean() { CHECK(s.value() == static_cast<std::size_t>(given)); }
};

struct locks_world : watched {
  weft::mutex m;
  weft::recursive_mutex r;
  weft::shared_mutex sh;
  void work() {
    for (;;) {
      {
        const std::lock_guard held(m);
        pace();
      }
      pace();
      {
        const std::lock_guard held(r);
        pace();
      }
      pace();
      {
        const std::lock_guard held(sh);
        pace();
      }
      pace();
      {
        const std::shared_lock held(sh);
        pace();
      }
      pace();
    }
  }
  task<> awaited() {
    const counted here;
    for (int i = 0; i < 3; ++i) {
      {
        const auto held = co_await async::lock(m);
        co_await async::sleep_for(30us);
      }
      {
        const auto held = co_await async::lock(r);
        const auto again = co_await async::lock(r);
        co_await async::sleep_for(30us);
      }
      {
        const auto held = co_await async::lock(sh);
        co_await async::sleep_for(30us);
      }
      const auto held = co_await async::lock_shared(sh);
      co_await async::sleep_for(30us);
    }
  }
  void blocking() {
    const counted here;
    for (int i = 0; i < 3; ++i) {
      {
        const std::lock_guard held(m);
        weft::this_fiber::sleep_for(30us);
      }
      {
        const std::lock_guard held(r);
        const std::lock_guard again(r);
        weft::this_fiber::sleep_for(30us);
      }
      {
        const std::lock_guard held(sh);
        weft::this_fiber::sleep_for(30us);
      }
      const std::shared_lock held(sh);
      weft::this_fiber::sleep_for(30us);
    }
  }
  void clean() {
    CHECK(m.try_lock());
    CHECK(r.try_lock());
    CHECK(sh.try_lock());
    m.unlock();
    r.unlock();
    sh.unlock();
  }
};

struct condition_world : watched {
  weft::mutex m;
  weft::condition_variable c;
  int stage = 0;
  void work() {
    for (;;) {
      pace();
      {
        const std::lock_guard held(m);
        ++stage;
        c.notify_one();
        pace();
      }
    }
  }
  task<> awaited() {
    const counted here;
    auto held = co_await async::lock(m);
    co_await async::wait(c, held);
    CHECK(held.owns_lock());
    co_await async::wait_for(c, held, 5us);
    co_await async::wait(c, held, [&] { return stage > 4; });
    co_await async::wait_for(c, held, 1h, [&] { return stage > 6; });
  }
  void blocking() {
    const counted here;
    std::unique_lock held(m);
    c.wait(held);
    c.wait_for(held, 5us);
    c.wait(held, [&] { return stage > 4; });
    c.wait_for(held, 1h, [&] { return stage > 6; });
  }
  void clean() {
    CHECK(m.try_lock());
    m.unlock();
  }
};

// Items are counted: none is lost or doubled, wherever a putter or getter is cancelled.
template <class Queue>
struct queue_world : watched {
  Queue q{1};
  int put = 0, got = 0;
  void work() {
    for (int i = 0; i < 2; ++i) {
      pace();
      q.put(1);
      ++put;
    }
    for (;;) {
      pace();
      if (q.try_get()) ++got, q.task_done();
    }
  }
  task<> awaited() {
    const counted here;
    for (int i = 0; i < 2; ++i) {
      co_await async::get(q);
      ++got;
      q.task_done();
    }
    for (int i = 0; i < 3; ++i) {
      co_await async::put(q, i);
      ++put;
    }
    co_await async::join(q);
  }
  void blocking() {
    const counted here;
    for (int i = 0; i < 2; ++i) {
      q.get();
      ++got;
      q.task_done();
    }
    for (int i = 0; i < 3; ++i) {
      q.put(i);
      ++put;
    }
    q.join();
  }
  void clean() {
    while (q.try_get()) ++got;
    CHECK(got == put);
  }
};

template <std::size_t Capacity>
struct channel_world : watched {
  weft::channel<int> in{Capacity}, out{Capacity};
  weft::event ev;
  int sent = 0, received = 0;
  void work() {
    for (int i = 0; i < 3; ++i) {
      pace();
      in.send(1);
      ++sent;
    }
    for (;;) {
      pace();
      if (out.try_receive()) ++received;
      ev.set();
    }
  }
  task<> awaited() {
    const counted here;
    co_await async::receive(in);
    ++received;
    // Done by the select itself, so that a cancellation after the choice still counts it.
    co_await async::select(weft::on_receive(in, [&](std::optional<int>) { ++received; }), weft::on_timeout(1h, [] {}));
    co_await async::select(weft::on_receive(in, [&](std::optional<int>) { ++received; }), weft::on_done(ev, [] {}));
    co_await async::send(out, 1);
    ++sent;
    co_await async::select(weft::on_send(out, 2, [&]() -> task<> {
      const counted here;
      ++sent;
      co_await async::sleep_for(50us);
    }));
    co_await async::send_for(out, 3, 1h);
    ++sent;
  }
  void blocking() {
    const counted here;
    in.receive();
    ++received;
    weft::select(weft::on_receive(in, [&](std::optional<int>) { ++received; }), weft::on_timeout(1h, [] {}));
    weft::select(weft::on_receive(in, [&](std::optional<int>) { ++received; }), weft::on_done(ev, [] {}));
    out.send(1);
    ++sent;
    weft::select(weft::on_send(out, 2, [&] {
      ++sent;
      weft::this_fiber::sleep_for(50us);
    }));
    out.send_for(3, 1h);
    ++sent;
  }
  void clean() {
    while (in.try_receive()) ++received;
    while (out.try_receive()) ++received;
    CHECK(sent == received);
    in.close();
    out.close();
  }
};

struct barrier_world : watched {
  weft::barrier b{2};
  void work() {
    for (;;) {
      pace();
      try {
        b.arrive_and_wait();
      } catch (const weft::broken_barrier&) {
        b.reset();
      }
    }
  }
  task<> awaited() {
    const counted here;
    for (int i = 0; i < 3; ++i) co_await async::arrive_and_wait(b);
  }
  void blocking() {
    const counted here;
    for (int i = 0; i < 3; ++i) b.arrive_and_wait();
  }
  void clean() { CHECK(b.waiting() == 0); }
};

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

TEST_CASE("sleeps") { in_all_ways<time_world>(expect{2}); }
TEST_CASE("events, results and latches") { in_all_ways<waitables_world>(expect{6}); }
TEST_CASE("semaphores") { in_all_ways<permits_world>(expect{4}); }
TEST_CASE("mutexes: plain, recursive, shared") { in_all_ways<locks_world>(expect{15}); }
TEST_CASE("conditions") { in_all_ways<condition_world>(expect{8}); }
TEST_CASE("a queue") { in_all_ways<queue_world<weft::queue<int>>>(expect{6}); }
TEST_CASE("a lifo queue") { in_all_ways<queue_world<weft::lifo_queue<int>>>(expect{6}); }
TEST_CASE("a priority queue") { in_all_ways<queue_world<weft::priority_queue<int>>>(expect{6}); }
TEST_CASE("channels that hand over, and select") { in_all_ways<channel_world<0>>(expect{6}); }
TEST_CASE("channels that keep items, and select") { in_all_ways<channel_world<1>>(expect{4}); }
TEST_CASE("a barrier") { in_all_ways<barrier_world>(expect{2}); }
TEST_CASE("gather, wait, as_completed, joinall, wait_for, kill") { in_all_ways<several_world>(expect{10}); }
TEST_CASE("task groups and pools") { in_all_ways<groups_world>(expect{10}); }
TEST_CASE("generators, scopes, fibers below tasks") { in_all_ways<nested_world>(expect{10}); }
