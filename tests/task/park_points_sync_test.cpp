// What fibers and tasks wait on, cancelled at each of its park points, as task and as fiber. Then nothing is left in any line, and what
// was held can be had again.
#include <doctest/doctest.h>

#include <optional>

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
