// What weft::condition_variable promises: no notification lost, the lock always taken back, FIFO among waiters.
#include <doctest/doctest.h>

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/condition_variable.hpp>
#include <weft/fiber.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;

namespace {

struct fixture {
  weft::mutex m;
  weft::condition_variable cv;
  std::vector<int> order;
  weft::fiber<> waiting(int i) {
    return weft::spawn([this, i] {
      std::unique_lock lock(m);
      cv.wait(lock);
      CHECK(lock.owns_lock());
      order.push_back(i);
    });
  }
};

}  // namespace

TEST_CASE_FIXTURE(fixture, "notify wakes in the order of waiting: one, some, all") {
  std::vector<weft::fiber<>> fibers;
  for (int i = 0; i < 6; ++i) fibers.push_back(waiting(i));
  weft::this_fiber::yield();
  CHECK_FALSE(m.is_locked());
  cv.notify_one();
  weft::testing::wait_all_blocked();
  CHECK(order == std::vector{0});
  cv.notify(2);
  weft::testing::wait_all_blocked();
  CHECK(order == std::vector{0, 1, 2});
  cv.notify_all();
  weft::joinall(fibers);
  CHECK(order == std::vector{0, 1, 2, 3, 4, 5});
  cv.notify_one();  // nobody there: nothing happens
}

TEST_CASE_FIXTURE(fixture, "a predicate is asked again after every notification") {
  int value = 0;
  auto f = weft::spawn([&] {
    std::unique_lock lock(m);
    cv.wait(lock, [&] { return value == 3; });
    return value;
  });
  while (!f.done()) {
    weft::this_fiber::yield();
    const std::lock_guard guard(m);
    if (value < 3) ++value;
    cv.notify_all();
  }
  CHECK(f.get() == 3);
}

TEST_CASE_FIXTURE(fixture, "timed waits end at their deadline with the lock held") {
  weft::testing::virtual_clock clock;
  std::unique_lock lock(m);
  CHECK(cv.wait_for(lock, 1s) == std::cv_status::timeout);
  CHECK(lock.owns_lock());
  CHECK_FALSE(cv.wait_for(lock, 1s, [] { return false; }));
  CHECK(cv.wait_until(lock, std::chrono::steady_clock::now() - 1s) == std::cv_status::timeout);
  CHECK(cv.wait_until(lock, std::chrono::steady_clock::now() - 1s, [] { return true; }));
  CHECK(clock.elapsed() == 2s);
  auto f = weft::spawn([&] {
    weft::this_fiber::sleep_for(1s);
    cv.notify_one();
  });
  CHECK(cv.wait_for(lock, 5s) == std::cv_status::no_timeout);
  CHECK(clock.elapsed() == 3s);
  f.join();
}

TEST_CASE_FIXTURE(fixture, "a cancelled wait takes the lock back before it unwinds, however long that takes") {
  bool unwound = false;
  auto f = weft::spawn([&] {
    std::unique_lock lock(m);
    try {
      cv.wait(lock);
    } catch (const weft::cancelled&) {
      CHECK(lock.owns_lock());
      unwound = true;
      throw;
    }
  });
  weft::this_fiber::yield();
  m.lock();
  f.cancel();
  weft::testing::wait_all_blocked();
  CHECK_FALSE(unwound);
  m.unlock();
  f.join();
  CHECK(unwound);
  CHECK(f.was_cancelled());
  CHECK_FALSE(m.is_locked());
}

TEST_CASE_FIXTURE(fixture, "a notification that meets a cancellation is not lost") {
  SUBCASE("cancelled first: the next waiter is notified") {
    auto a = waiting(0), b = waiting(1);
    weft::this_fiber::yield();
    a.cancel();
    cv.notify_one();
    weft::testing::wait_all_blocked();
    CHECK(a.was_cancelled());
    CHECK(order == std::vector{1});
  }
  SUBCASE("notified first: that waiter returns, and is cancelled at its next park point") {
    auto a = waiting(0), b = waiting(1);
    weft::this_fiber::yield();
    cv.notify_one();
    a.cancel();
    weft::testing::wait_all_blocked();
    CHECK(order == std::vector{0});
    CHECK_FALSE(b.done());
    b.kill();
  }
}

TEST_CASE_FIXTURE(fixture, "waiting without the lock throws not_owner") {
  std::unique_lock lock(m, std::defer_lock);
  CHECK_THROWS_AS(cv.wait(lock), weft::not_owner);
}

TEST_CASE_FIXTURE(fixture, "a condition variable used on another OS thread throws wrong_hub") {
  std::unique_lock lock(m);
  std::thread([&] {
    CHECK_THROWS_AS(cv.notify_one(), weft::wrong_hub);
    CHECK_THROWS_AS(cv.notify_all(), weft::wrong_hub);
    CHECK_THROWS_AS(cv.wait(lock), weft::wrong_hub);
  }).join();
  CHECK(lock.owns_lock());
}
