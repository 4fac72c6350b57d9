// co_await of channels, select, shared and recursive mutexes, latches and barriers: one line for fibers and tasks, the same answers.
#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

TEST_CASE("items of a channel go from tasks to fibers and back, in order, whatever its capacity") {
  for (const std::size_t capacity : {0u, 1u, 3u}) {
    weft::channel<std::unique_ptr<int>> there(capacity);
    weft::channel<int> back(capacity);
    auto sender = weft::spawn([&]() -> task<> {
      for (int i = 0; i < 50; ++i) co_await async::send(there, std::make_unique<int>(i));
      there.close();
    });
    auto relay = weft::spawn([&] {
      for (auto& item : there) back.send(*item);
      back.close();
    });
    auto receiver = weft::spawn([&]() -> task<std::vector<int>> {
      std::vector<int> got;
      while (auto item = co_await async::receive(back)) got.push_back(*item);
      co_return got;
    });
    const auto got = receiver.get();
    REQUIRE(got.size() == 50);
    for (int i = 0; i < 50; ++i) CHECK(got[static_cast<std::size_t>(i)] == i);
    sender.get();
    relay.get();
  }
}

TEST_CASE("timed sends and receives of tasks give up in time, and a closed channel tells both sides") {
  weft::testing::virtual_clock clock;
  weft::channel<int> c;
  weft::await([&]() -> task<> {
    const bool sent = co_await async::send_for(c, 1, 2ms);
    CHECK_FALSE(sent);
    CHECK(clock.elapsed() == 2ms);
    CHECK_THROWS_AS(co_await async::receive_for(c, 1ms), weft::timeout_error);
    CHECK(clock.elapsed() == 3ms);
  }());
  auto waits = weft::spawn([&]() -> task<> { co_await async::send(c, 2); });
  weft::testing::wait_all_blocked();
  c.close();
  CHECK_THROWS_AS(waits.get(), weft::queue_closed);
  weft::await([&]() -> task<> {
    const auto nothing = co_await async::receive(c);
    CHECK_FALSE(nothing.has_value());
    CHECK_THROWS_AS(co_await async::send(c, 3), weft::queue_closed);
  }());
}

TEST_CASE("select of a task does one case, and awaits the coroutine beside it") {
  weft::testing::virtual_clock clock;
  weft::channel<int> in, out;
  weft::event ev;
  std::string log;
  auto selects = weft::spawn([&]() -> task<> {
    for (int i = 0; i < 4; ++i) {
      const std::size_t which = co_await async::select(
          weft::on_receive(in,
                           [&](std::optional<int> n) -> task<> {
                             co_await async::sleep_for(1ms);
                             log += "received" + std::to_string(*n) + " ";
                           }),
          weft::on_send(out, 7, [&] { log += "sent "; }), weft::on_done(ev, [&] { log += "done "; }),
          weft::on_timeout(5ms, [&] { log += "late "; }));
      log += std::to_string(which) + " ";
    }
  });
  weft::testing::wait_all_blocked();
  in.send(4);
  weft::this_fiber::sleep_for(2ms);
  CHECK(out.receive() == 7);
  weft::this_fiber::sleep_for(7ms);
  ev.set();
  selects.get();
  CHECK(log == "received4 0 sent 1 late 3 done 2 ");
  CHECK(in.try_send(1) == false);  // nobody is left in a line
  CHECK_FALSE(out.try_receive().has_value());
}

TEST_CASE("select of a task with or_else does not wait") {
  weft::channel<int> c;
  weft::await([&]() -> task<> {
    bool otherwise = false;
    co_await async::select(weft::on_receive(c, [] {}), weft::or_else([&] { otherwise = true; }));
    CHECK(otherwise);
  }());
}

TEST_CASE("readers share and writers exclude, fibers and tasks in one line") {
  weft::shared_mutex m;
  std::string order;
  std::vector<weft::any_fiber> all;
  for (int i = 0; i < 2; ++i) {
    all.push_back(weft::spawn([&]() -> task<> {
      const auto held = co_await async::lock_shared(m);
      order += 'r';
      co_await async::yield();
      co_await async::yield();
    }));
    all.push_back(weft::spawn([&] {
      const std::shared_lock held(m);
      order += 'r';
      weft::this_fiber::yield();
      weft::this_fiber::yield();
    }));
  }
  all.push_back(weft::spawn([&]() -> task<> {
    const auto held = co_await async::lock(m);
    CHECK(held.owns_lock());
    order += 'W';
    co_await async::yield();
  }));
  all.push_back(weft::spawn([&] {
    const std::shared_lock held(m);
    order += 'r';
  }));
  weft::joinall(all);
  CHECK(order == "rrrrWr");
  CHECK(m.readers() == 0);
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a task that gives up a shared mutex in time holds nothing, and lets those behind it in") {
  weft::testing::virtual_clock clock;
  weft::shared_mutex m;
  m.lock_shared();
  auto writer = weft::spawn([&]() -> task<bool> {
    const auto held = co_await async::lock_for(m, 5ms);
    co_return held.owns_lock();
  });
  weft::testing::wait_all_blocked();
  auto reader = weft::spawn([&]() -> task<std::chrono::nanoseconds> {
    const auto held = co_await async::lock_shared(m);
    co_return clock.elapsed();
  });
  CHECK_FALSE(writer.get());
  CHECK(reader.get() == 5ms);
  m.unlock_shared();
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("a recursive mutex counts the locks of a task, and goes to a fiber after the last unlock") {
  weft::recursive_mutex m;
  std::string order;
  auto t = weft::spawn([&]() -> task<> {
    const auto outer = co_await async::lock(m);
    {
      const auto inner = co_await async::lock(m);
      co_await async::yield();
    }
    co_await async::yield();
    order += "task ";
  });
  auto f = weft::spawn([&] {
    const std::lock_guard held(m);
    order += "fiber ";
  });
  auto late = weft::spawn([&]() -> task<> {
    const auto held = co_await async::lock(m);
    const auto again = co_await async::lock(m);
    order += "late";
  });
  t.get();
  f.get();
  late.get();
  CHECK(order == "task fiber late");
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("a barrier of fibers and tasks lets all go when the last has come, phase after phase") {
  weft::barrier b(4);
  int lasts = 0, through = 0;
  std::vector<weft::any_fiber> all;
  for (int i = 0; i < 4; ++i) {
    if (i % 2 == 0)
      all.push_back(weft::spawn([&]() -> task<> {
        for (int phase = 1; phase <= 3; ++phase) {
          const bool last = co_await async::arrive_and_wait(b);
          lasts += last;
          ++through;
        }
      }));
    else
      all.push_back(weft::spawn([&] {
        for (int phase = 1; phase <= 3; ++phase) {
          lasts += b.arrive_and_wait();
          ++through;
        }
      }));
  }
  weft::joinall(all);
  CHECK(lasts == 3);
  CHECK(through == 12);
}

TEST_CASE("a barrier that one gives up is broken at once, also for who comes before that one runs") {
  weft::testing::virtual_clock clock;
  for (const bool as_task : {false, true}) {
    weft::barrier b(2);
    weft::any_fiber waits;
    if (as_task)
      waits = weft::spawn([&]() -> task<> { co_await async::arrive_and_wait_for(b, 1ms); });
    else
      waits = weft::spawn([&] { b.arrive_and_wait_for(1ms); });
    weft::testing::wait_all_blocked();
    // Its time is over, but it has not run since.
    waits.cancel();
    CHECK(b.broken());
    CHECK_THROWS_AS(b.arrive_and_wait(), weft::broken_barrier);
    waits.join();
    b.reset();
    CHECK(b.waiting() == 0);
    auto late = weft::spawn([&]() -> task<> { co_await async::arrive_and_wait_for(b, 1ms); });
    CHECK_THROWS_AS(late.get(), weft::timeout_error);
    CHECK(b.broken());
  }
}

TEST_CASE("a latch, an event and a bounded semaphore in their awaited forms") {
  weft::testing::virtual_clock clock;
  weft::latch l(2);
  weft::event ev;
  weft::bounded_semaphore s(1);
  auto t = weft::spawn([&]() -> task<> {
    co_await async::arrive_and_wait(l);
    const bool set = co_await async::wait_for(ev, 1ms);
    CHECK_FALSE(set);
    co_await async::wait(ev);
    co_await async::acquire(s);
    const bool more = co_await async::acquire_for(s, 1ms);
    CHECK_FALSE(more);
    s.release();
  });
  weft::testing::wait_all_blocked();
  CHECK(l.count() == 1);
  l.count_down();
  weft::this_fiber::sleep_for(2ms);
  ev.set();
  t.get();
  CHECK(s.value() == 1);
}
