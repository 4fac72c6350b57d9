// co_await of the sync primitives: the same order, hand-overs and limits as fibers have, with fibers and tasks in one line.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

TEST_CASE("sleeps of tasks end in the order of their deadlines, to the nanosecond of the virtual clock") {
  weft::testing::virtual_clock clock;
  std::vector<int> order;
  std::vector<weft::any_fiber> all;
  for (const int ms : {30, 10, 20}) {
    all.push_back(weft::spawn([&, ms]() -> task<> {
      co_await async::sleep_for(std::chrono::milliseconds(ms));
      order.push_back(ms);
      CHECK(clock.elapsed() == std::chrono::milliseconds(ms));
    }));
  }
  weft::joinall(all);
  CHECK(order == std::vector{10, 20, 30});
}

TEST_CASE("an event wakes fibers and tasks in the order in which they came; one that is set lets a task through") {
  weft::event ev;
  std::string order;
  std::vector<weft::any_fiber> all;
  for (int i = 0; i < 6; ++i) {
    if (i % 2 == 0)
      all.push_back(weft::spawn([&, i]() -> task<> {
        co_await ev;
        order += static_cast<char>('0' + i);
      }));
    else
      all.push_back(weft::spawn([&, i] {
        ev.wait();
        order += static_cast<char>('0' + i);
      }));
  }
  weft::testing::wait_all_blocked();
  CHECK(order.empty());
  ev.set();
  weft::joinall(all);
  CHECK(order == "012345");
  weft::await([&]() -> task<> { co_await ev; }());
}

TEST_CASE("join_for gives up on an event, a fiber and a task when the time is over") {
  weft::testing::virtual_clock clock;
  weft::event ev;
  auto slow = weft::spawn([] { weft::this_fiber::sleep_for(1h); });
  const auto body = [&]() -> task<> {
    CHECK_FALSE(co_await async::join_for(ev, 1ms));
    CHECK_FALSE(co_await async::join_for(slow, 1ms));
    ev.set();
    CHECK(co_await async::join_for(ev, 1ms));
  };
  weft::await(body());
  CHECK(clock.elapsed() == 2ms);
  ev.clear();
  weft::spawn(body).get();
  CHECK(clock.elapsed() == 4ms);
  slow.kill();
}

TEST_CASE("a result reaches tasks as value or failure") {
  weft::async_result<int> good;
  weft::async_result<int> bad;
  const auto asks = [](weft::async_result<int>& r) -> task<int> { co_return co_await r; };
  auto a = weft::spawn(asks, std::ref(good));
  auto b = weft::spawn(asks, std::ref(bad));
  weft::testing::wait_all_blocked();
  good.set_value(5);
  bad.set_exception(std::runtime_error("no"));
  CHECK(a.get() == 5);
  CHECK_THROWS_WITH(b.get(), "no");
  CHECK(weft::await(asks(good)) == 5);
}

TEST_CASE("permits go to fibers and tasks in the order in which they came") {
  weft::testing::virtual_clock clock;
  weft::semaphore s(2);
  std::string order;
  std::vector<weft::any_fiber> all;
  for (int i = 0; i < 6; ++i) {
    const auto work = [&order](int n) { order += static_cast<char>('0' + n); };
    if (i % 2 == 0)
      all.push_back(weft::spawn([&, i, work]() -> task<> {
        co_await async::acquire(s);
        work(i);
        co_await async::sleep_for(1ms);
        s.release();
      }));
    else
      all.push_back(weft::spawn([&, i, work] {
        s.acquire();
        work(i);
        weft::this_fiber::sleep_for(1ms);
        s.release();
      }));
  }
  weft::joinall(all);
  CHECK(order == "012345");
  CHECK(clock.elapsed() == 3ms);
  CHECK(s.value() == 2);
  weft::await([&]() -> task<> {
    co_await async::acquire(s);
    co_await async::acquire(s);
    CHECK_FALSE(co_await async::acquire_for(s, 1ms));
    s.release(2);
    CHECK(co_await async::acquire_for(s, 1ms));
    s.release();
  }());
}

TEST_CASE("a mutex is handed from task to fiber to task, and is the task's across its awaits") {
  weft::mutex m;
  int inside = 0;
  std::string order;
  std::vector<weft::any_fiber> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(weft::spawn([&, i]() -> task<> {
      const auto held = co_await async::lock(m);
      CHECK(++inside == 1);
      co_await async::yield();
      --inside;
      order += static_cast<char>('a' + i);
    }));
    all.push_back(weft::spawn([&, i] {
      const std::lock_guard held(m);
      CHECK(++inside == 1);
      weft::this_fiber::yield();
      --inside;
      order += static_cast<char>('A' + i);
    }));
  }
  weft::joinall(all);
  CHECK(order == "aAbBcCdD");
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a mutex that is locked already is refused to its owner, and given up on in time by others") {
  weft::testing::virtual_clock clock;
  weft::mutex m;
  weft::await([&]() -> task<> {
    const auto held = co_await async::lock(m);
    CHECK_THROWS_AS(static_cast<void>(co_await async::lock(m)), std::system_error);
    const auto other = [&]() -> task<bool> {
      const auto l = co_await async::lock_for(m, 5ms);
      co_return l.owns_lock();
    };
    CHECK_FALSE(co_await weft::spawn(other));
  }());
  CHECK(clock.elapsed() == 5ms);
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("condition variables notify n of the tasks and fibers that wait, each with the lock held again") {
  weft::mutex m;
  weft::condition_variable c;
  int awake = 0;
  std::vector<weft::any_fiber> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(weft::spawn([&]() -> task<> {
      auto held = co_await async::lock(m);
      co_await async::wait(c, held);
      CHECK(held.owns_lock());
      CHECK(m.is_locked());
      ++awake;
      co_await async::yield();
    }));
    all.push_back(weft::spawn([&] {
      std::unique_lock held(m);
      c.wait(held);
      ++awake;
      weft::this_fiber::yield();
    }));
  }
  weft::testing::wait_all_blocked();
  c.notify(3);
  weft::testing::wait_all_blocked();
  CHECK(awake == 3);
  c.notify_all();
  weft::joinall(all);
  CHECK(awake == 8);
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("waiting for a condition with a predicate, and for a time") {
  weft::testing::virtual_clock clock;
  weft::mutex m;
  weft::condition_variable c;
  int stage = 0;
  auto waits = weft::spawn([&]() -> task<bool> {
    auto held = co_await async::lock(m);
    co_await async::wait(c, held, [&] { return stage == 2; });
    CHECK(stage == 2);
    CHECK_FALSE(co_await async::wait_for(c, held, 1ms));
    co_return co_await async::wait_for(c, held, 1ms, [&] { return stage == 3; });
  });
  weft::testing::wait_all_blocked();
  for (int i = 0; i < 2; ++i) {
    ++stage;
    c.notify_one();
    weft::testing::wait_all_blocked();
  }
  CHECK_FALSE(waits.get());
  CHECK(clock.elapsed() == 2ms);
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a queue between task producers and fiber consumers, and the other way round, loses nothing and keeps order") {
  for (const std::size_t capacity : {0u, 1u, 3u}) {
    weft::queue<std::unique_ptr<int>> there(capacity);
    weft::queue<int> back(capacity);
    auto producer = weft::spawn([&]() -> task<> {
      for (int i = 0; i < 100; ++i) co_await async::put(there, std::make_unique<int>(i));
      there.close();
    });
    auto relay = weft::spawn([&] {
      for (auto& item : there) back.put(*item);
      back.close();
    });
    auto consumer = weft::spawn([&]() -> task<std::vector<int>> {
      std::vector<int> got;
      while (auto item = co_await async::next(back)) got.push_back(*item);
      co_return got;
    });
    const auto got = consumer.get();
    REQUIRE(got.size() == 100);
    for (int i = 0; i < 100; ++i) CHECK(got[static_cast<std::size_t>(i)] == i);
    producer.get();
    relay.get();
  }
}

TEST_CASE("get, get_for, put_for and next of a queue that is empty, full or closed") {
  weft::testing::virtual_clock clock;
  weft::queue<int> q(1);
  weft::await([&]() -> task<> {
    CHECK_FALSE(co_await async::get_for(q, 1ms));
    CHECK(co_await async::put(q, 1));
    CHECK_FALSE(co_await async::put_for(q, 2, 1ms));
    CHECK(co_await async::get(q) == 1);
    q.task_done();
    CHECK(co_await async::join(q));
    CHECK(co_await async::put_for(q, 3, 1ms));
    q.close();
    CHECK_THROWS_AS(co_await async::put(q, 4), weft::queue_closed);
    CHECK(*co_await async::get_for(q, 1ms) == 3);
    CHECK_THROWS_AS(co_await async::get(q), weft::queue_closed);
    CHECK_FALSE(co_await async::next(q));
  }());
  CHECK(clock.elapsed() == 2ms);
}

TEST_CASE("the queues of other orders are awaited alike") {
  weft::priority_queue<int> sorted;
  weft::lifo_queue<int> stack(1);
  const auto body = [&]() -> task<std::string> {
    for (const int i : {3, 1, 2}) co_await async::put(sorted, i);
    std::string got;
    for (int i = 0; i < 3; ++i) got += std::to_string(co_await async::get(sorted));
    co_await async::put(stack, 4);
    co_return got + std::to_string(*co_await async::next(stack));
  };
  CHECK(weft::await(body()) == "1234");
}

TEST_CASE("closing a queue wakes the tasks that wait for it") {
  weft::queue<int> empty(1), full(1);
  full.put(0);
  auto getter = weft::spawn([&]() -> task<int> { co_return co_await async::get(empty); });
  auto putter = weft::spawn([&]() -> task<> { co_await async::put(full, 1); });
  weft::testing::wait_all_blocked();
  empty.close();
  full.close();
  CHECK_THROWS_AS(getter.get(), weft::queue_closed);
  CHECK_THROWS_AS(putter.get(), weft::queue_closed);
}

TEST_CASE("a group's tasks are over before it is, and the first failure cancels the others") {
  weft::testing::virtual_clock clock;
  int over = 0;
  const auto child = [&](int ms) -> task<> {
    struct count {
      int& n;
      ~count() { ++n; }
    } counts{over};
    co_await async::sleep_for(std::chrono::milliseconds(ms));
  };
  weft::await(async::with_group([&](weft::task_group& g) -> task<> {
    for (int i = 1; i <= 3; ++i) g.spawn(child, i);
    g.spawn([] { weft::this_fiber::sleep_for(2ms); });
    co_await async::yield();
  }));
  CHECK(over == 3);
  CHECK(clock.elapsed() == 3ms);
  const auto failing = [&](weft::task_group& g) -> task<> {
    g.spawn(child, 1000);
    g.spawn([]() -> task<> {
      co_await async::sleep_for(1ms);
      throw std::runtime_error("one fails");
    });
    co_await async::sleep_for(1h);
  };
  CHECK_THROWS_WITH(weft::spawn([&]() -> task<> { co_await async::with_group(failing); }).get(), "one fails");
  CHECK(over == 4);
  CHECK(clock.elapsed() == 4ms);
}
