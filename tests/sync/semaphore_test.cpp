// What the semaphores promise: counting, FIFO hand-over, no permit lost to a timeout or cancellation.
#include <doctest/doctest.h>

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/semaphore.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;

TEST_CASE("a semaphore lets as many fibers in as it has permits") {
  weft::semaphore s(3);
  int inside = 0, most = 0;
  std::vector<weft::fiber<>> fibers;
  for (int i = 0; i < 10; ++i)
    fibers.push_back(weft::spawn([&] {
      const std::lock_guard permit(s);
      most = std::max(most, ++inside);
      weft::this_fiber::yield();
      --inside;
    }));
  weft::joinall(fibers, {.raise_error = true});
  CHECK(most == 3);
  CHECK(s.value() == 3);
}

TEST_CASE("permits go to fibers in the order in which they came; a newcomer does not overtake") {
  weft::semaphore s(0);
  std::vector<int> order;
  std::vector<weft::fiber<>> fibers;
  for (int i = 0; i < 4; ++i)
    fibers.push_back(weft::spawn([&, i] {
      s.acquire();
      order.push_back(i);
    }));
  weft::this_fiber::yield();
  s.release();
  CHECK_FALSE(s.try_acquire());  // it is the first waiter's already
  CHECK(s.value() == 0);
  weft::this_fiber::yield();
  CHECK(order == std::vector{0});
  s.release(4);
  CHECK(s.value() == 1);
  weft::joinall(fibers);
  CHECK(order == std::vector{0, 1, 2, 3});
  CHECK(s.try_acquire());
  CHECK_FALSE(s.try_acquire());
}

TEST_CASE("timed acquires give up at their deadline and take nothing") {
  weft::testing::virtual_clock clock;
  weft::semaphore s(0);
  CHECK_FALSE(s.try_acquire_for(2s));
  CHECK(clock.elapsed() == 2s);
  CHECK_FALSE(s.try_acquire_until(std::chrono::steady_clock::now() - 1s));
  s.release();
  CHECK(s.value() == 1);
  CHECK(s.try_acquire_for(0s));
  auto f = weft::spawn([&] {
    weft::this_fiber::sleep_for(1s);
    s.release();
  });
  CHECK(s.try_lock_for(5s));
  CHECK(clock.elapsed() == 3s);
  f.join();
}

TEST_CASE("a cancelled waiter's place goes to the next; one that owns the permit keeps it") {
  weft::semaphore s(0);
  std::vector<int> got;
  const auto waiting = [&](int i) {
    return weft::spawn([&s, &got, i] {
      s.acquire();
      got.push_back(i);
      s.release();
    });
  };
  auto a = waiting(0), b = waiting(1), c = waiting(2);
  weft::this_fiber::yield();
  a.kill();
  CHECK(a.was_cancelled());
  s.release();
  b.cancel();  // too late: the permit was handed to it
  b.join();
  CHECK(b.successful());
  c.join();
  CHECK(got == std::vector{1, 2});
  CHECK(s.value() == 1);
}

TEST_CASE("a fiber that is being cancelled takes no free permit") {
  weft::semaphore s(1);
  weft::cancel_scope scope;
  CHECK_FALSE(scope.run([&] {
    scope.cancel();
    s.acquire();
  }));
  CHECK(s.value() == 1);
}

TEST_CASE("a bounded semaphore refuses a release too many and keeps its count") {
  weft::bounded_semaphore s(2);
  CHECK_THROWS_AS(s.release(), weft::not_owner);
  s.acquire();
  CHECK_THROWS_AS(s.release(2), weft::not_owner);
  CHECK(s.value() == 1);
  s.release();
  CHECK(s.value() == 2);
  {
    const std::scoped_lock two(s);
    CHECK(s.value() == 1);
  }
  CHECK(s.value() == 2);
}

TEST_CASE("semaphores used on another OS thread throw wrong_hub") {
  weft::semaphore s(1);
  weft::bounded_semaphore b(1);
  std::thread([&] {
    CHECK_THROWS_AS(s.acquire(), weft::wrong_hub);
    CHECK_THROWS_AS(s.release(), weft::wrong_hub);
    CHECK_THROWS_AS(s.try_acquire(), weft::wrong_hub);
    CHECK_THROWS_AS(s.try_acquire_for(1s), weft::wrong_hub);
    CHECK_THROWS_AS(b.release(), weft::wrong_hub);
  }).join();
  CHECK(s.value() == 1);
}
