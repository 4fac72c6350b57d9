// What the mutexes promise: exclusion, FIFO hand-over, error checking as POSIX has it, the standard's guards.
#include <doctest/doctest.h>

#include <chrono>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/mutex.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;

TEST_CASE("one fiber at a time holds a mutex, in the order in which they came") {
  weft::mutex m;
  std::vector<int> order;
  int inside = 0;
  std::vector<weft::fiber<>> fibers;
  for (int i = 0; i < 5; ++i)
    fibers.push_back(weft::spawn([&, i] {
      const std::lock_guard guard(m);
      CHECK(++inside == 1);
      weft::this_fiber::yield();
      --inside;
      order.push_back(i);
    }));
  weft::joinall(fibers, {.raise_error = true});
  CHECK(order == std::vector{0, 1, 2, 3, 4});
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("an unlock hands the mutex over: a newcomer does not overtake the one that waits") {
  weft::mutex m;
  m.lock();
  bool had_it = false;
  auto f = weft::spawn([&] {
    m.lock();
    had_it = true;
    m.unlock();
  });
  weft::this_fiber::yield();
  m.unlock();
  CHECK_FALSE(m.try_lock());
  CHECK(m.is_locked());
  m.lock();
  CHECK(had_it);
  m.unlock();
  f.join();
}

TEST_CASE("a lock by the owner is a resource deadlock, a try_lock is false, an unlock by another is not_owner") {
  weft::mutex m;
  CHECK_THROWS_AS(m.unlock(), weft::not_owner);
  m.lock();
  try {
    m.lock();
    FAIL("it returned");
  } catch (const std::system_error& e) {
    CHECK(e.code() == std::errc::resource_deadlock_would_occur);
  }
  CHECK_THROWS_AS(m.try_lock_for(1s), std::system_error);
  CHECK_FALSE(m.try_lock());
  auto f = weft::spawn([&] { CHECK_THROWS_AS(m.unlock(), weft::not_owner); });
  f.get();
  m.unlock();
}

TEST_CASE("timed locks give up at their deadline") {
  weft::testing::virtual_clock clock;
  weft::mutex m;
  m.lock();
  auto f = weft::spawn([&] {
    CHECK_FALSE(m.try_lock_for(1s));
    CHECK_FALSE(m.try_lock_until(std::chrono::steady_clock::now() - 1s));
    CHECK(clock.elapsed() == 1s);
    CHECK(m.try_lock_for(5s));
    CHECK(clock.elapsed() == 3s);
    m.unlock();
  });
  weft::this_fiber::sleep_for(3s);
  m.unlock();
  f.get();
  CHECK(m.try_lock_for(0s));
  m.unlock();
}

TEST_CASE("a cancelled waiter leaves the mutex to the next; one that was handed it owns it") {
  weft::mutex m;
  m.lock();
  auto a = weft::spawn([&] { m.lock(); });
  auto b = weft::spawn([&] {
    const std::lock_guard guard(m);
    weft::this_fiber::yield();
  });
  auto c = weft::spawn([&] { const std::lock_guard guard(m); });
  weft::this_fiber::yield();
  a.kill();
  m.unlock();
  b.cancel();  // owns it: stops at its next park point, unlocking on the way
  c.join();
  CHECK(c.successful());
  CHECK(b.was_cancelled());
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("a fiber that is being cancelled does not get a free mutex") {
  weft::mutex m;
  weft::cancel_scope scope;
  CHECK_FALSE(scope.run([&] {
    scope.cancel();
    m.lock();
  }));
  CHECK_FALSE(m.is_locked());
}

TEST_CASE("unique_lock and scoped_lock work, several mutexes in any order included") {
  weft::testing::virtual_clock clock;
  weft::mutex a, b;
  int rounds = 0;
  const auto both = [&](weft::mutex& x, weft::mutex& y) {
    for (int i = 0; i < 20; ++i) {
      const std::scoped_lock guard(x, y);
      weft::this_fiber::yield();
      ++rounds;
    }
  };
  auto f = weft::spawn([&] { both(a, b); });
  auto g = weft::spawn([&] { both(b, a); });
  f.get();
  g.get();
  CHECK(rounds == 40);
  std::unique_lock lock(a, 1s);
  CHECK(lock.owns_lock());
  std::unique_lock second(b, std::try_to_lock);
  CHECK(second.owns_lock());
}

TEST_CASE("a recursive mutex is free again after as many unlocks as locks") {
  weft::recursive_mutex m;
  int steps = 0;
  m.lock();
  CHECK(m.try_lock());
  CHECK(m.try_lock_for(1s));
  auto f = weft::spawn([&] {
    CHECK_FALSE(m.try_lock());
    CHECK_THROWS_AS(m.unlock(), weft::not_owner);
    const std::lock_guard guard(m);
    m.lock();
    steps = 1;
    m.unlock();
  });
  for (int i = 0; i < 3; ++i) {
    weft::this_fiber::yield();
    CHECK(steps == 0);
    m.unlock();
  }
  f.get();
  CHECK(steps == 1);
  CHECK_THROWS_AS(m.unlock(), weft::not_owner);
  CHECK(m.try_lock());
  m.unlock();
}

TEST_CASE("a waiter of a recursive mutex times out and is cancelled like others") {
  weft::testing::virtual_clock clock;
  weft::recursive_mutex m;
  const std::lock_guard guard(m);
  auto f = weft::spawn([&] { return m.try_lock_for(1s); });
  CHECK_FALSE(f.get());
  auto g = weft::spawn([&] { m.lock(); });
  weft::this_fiber::yield();
  g.kill();
  CHECK(g.was_cancelled());
}

TEST_CASE("mutexes used on another OS thread throw wrong_hub, with and without a hub there") {
  weft::mutex m;
  weft::recursive_mutex r;
  m.lock();
  std::thread([&] {
    CHECK_THROWS_AS(m.unlock(), weft::wrong_hub);
    CHECK_THROWS_AS(m.lock(), weft::wrong_hub);
    weft::mutex own;
    own.lock();
    CHECK_THROWS_AS(m.lock(), weft::wrong_hub);
    CHECK_THROWS_AS(m.try_lock(), weft::wrong_hub);
    CHECK_THROWS_AS(m.unlock(), weft::wrong_hub);
    CHECK_THROWS_AS(r.lock(), weft::wrong_hub);
    CHECK_THROWS_AS(r.unlock(), weft::wrong_hub);
    own.unlock();
  }).join();
  m.unlock();
}
