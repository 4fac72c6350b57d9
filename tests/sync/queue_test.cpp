// What weft::queue promises: bounds, order, nothing lost to timeouts and cancellation, close, task_done and join.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/hub.hpp>
#include <weft/queue.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;

TEST_CASE("items come out in the order in which they were put; an unbounded queue takes any number") {
  weft::queue<int> q;
  CHECK(q.empty());
  for (int i = 0; i < 1000; ++i) q.put(i);
  CHECK(q.size() == 1000);
  CHECK_FALSE(q.full());
  for (int i = 0; i < 1000; ++i) CHECK(q.get() == i);
  CHECK_FALSE(q.try_get());
}

TEST_CASE("a put into a full queue parks until there is room; putters stay in order") {
  weft::queue<int> q(2);
  std::vector<weft::fiber<>> putters;
  for (int i = 0; i < 5; ++i) putters.push_back(weft::spawn([&, i] { q.put(i); }));
  weft::testing::wait_all_blocked();
  CHECK(q.full());
  CHECK(q.size() == 2);
  CHECK_FALSE(q.try_put(99));
  for (int i = 0; i < 5; ++i) {
    CHECK(q.get() == i);
    CHECK_FALSE((i < 3 && q.try_put(99)));  // the room is the next putter's already
  }
  weft::joinall(putters, {.raise_error = true});
  CHECK(q.empty());
}

TEST_CASE("getters are served in the order in which they came, and no newcomer takes an item of theirs") {
  weft::queue<int> q;
  std::vector<weft::fiber<int>> getters;
  for (int i = 0; i < 3; ++i) getters.push_back(weft::spawn([&] { return q.get(); }));
  weft::this_fiber::yield();
  for (int i = 0; i < 3; ++i) q.put(i);
  CHECK_FALSE(q.try_get());
  for (int i = 0; i < 3; ++i) CHECK(getters[static_cast<std::size_t>(i)].get() == i);
}

TEST_CASE("items that can only be moved pass, and a refused item is left as it was") {
  weft::testing::virtual_clock clock;
  weft::queue<std::unique_ptr<int>> q(1);
  q.put(std::make_unique<int>(1));
  auto two = std::make_unique<int>(2);
  CHECK_FALSE(q.try_put(std::move(two)));
  REQUIRE(two != nullptr);
  CHECK_FALSE(q.put_for(std::move(two), 1s));
  REQUIRE(two != nullptr);
  CHECK(clock.elapsed() == 1s);
  auto f = weft::spawn([&] { return q.put_for(std::move(two), 5s); });
  weft::this_fiber::yield();
  CHECK(*q.get() == 1);
  CHECK(f.get());
  CHECK(two == nullptr);
  CHECK(**q.get_for(1s) == 2);
  CHECK_FALSE(q.get_for(1s));
  CHECK(clock.elapsed() == 2s);
  weft::queue<std::string> strings;
  const std::string kept = "a string that is not short enough to be copied by accident";
  CHECK(strings.put_for(kept, 1s));
  CHECK(strings.try_put("literal"));
  CHECK(strings.get() == kept);
}

TEST_CASE("a cancelled getter takes no item along, a cancelled putter has put none") {
  weft::queue<int> q(1);
  auto getter = weft::spawn([&] { return q.get(); });
  auto next = weft::spawn([&] { return q.get(); });
  weft::this_fiber::yield();
  getter.cancel();
  q.put(1);
  CHECK(next.get() == 1);
  CHECK(getter.was_cancelled());

  q.put(2);
  auto putter = weft::spawn([&] { q.put(3); });
  auto other = weft::spawn([&] { q.put(4); });
  weft::this_fiber::yield();
  putter.kill();
  CHECK(q.get() == 2);
  CHECK(q.get() == 4);

  CHECK(q.empty());
}

TEST_CASE("a getter that was handed an item before it was cancelled returns it") {
  weft::queue<int> q;
  int got = 0;
  auto f = weft::spawn([&] {
    got = q.get();
    q.get();
  });
  weft::this_fiber::yield();
  q.put(7);
  f.cancel();
  f.join();
  CHECK(got == 7);
  CHECK(f.was_cancelled());
}

TEST_CASE("close: putters get queue_closed, getters what is left and then queue_closed") {
  weft::queue<int> q(1);
  q.put(1);
  auto putter = weft::spawn([&] { q.put(2); });
  weft::this_fiber::yield();
  q.close();
  q.close();
  CHECK(q.closed());
  CHECK_THROWS_AS(putter.get(), weft::queue_closed);
  CHECK_THROWS_AS(q.put(3), weft::queue_closed);
  CHECK_THROWS_AS(q.try_put(3), weft::queue_closed);
  CHECK(q.get() == 1);
  CHECK_THROWS_AS(q.get(), weft::queue_closed);
  CHECK_THROWS_AS(q.try_get(), weft::queue_closed);
  CHECK_THROWS_AS(q.get_for(1s), weft::queue_closed);

  weft::queue<int> idle;
  auto getter = weft::spawn([&] { return idle.get(); });
  auto timed = weft::spawn([&] { return idle.get_for(1h); });
  weft::this_fiber::yield();
  idle.close();
  CHECK_THROWS_AS(getter.get(), weft::queue_closed);
  CHECK_THROWS_AS(timed.get(), weft::queue_closed);
}

TEST_CASE("a range-for takes items until the queue is closed and drained; several share the items") {
  weft::queue<int> q(3);
  int sum = 0, ended = 0;
  std::vector<weft::fiber<>> consumers;
  for (int i = 0; i < 3; ++i)
    consumers.push_back(weft::spawn([&] {
      for (int item : q) {
        sum += item;
        weft::this_fiber::yield();
      }
      ++ended;
    }));
  for (int i = 1; i <= 100; ++i) q.put(i);
  q.close();
  weft::joinall(consumers, {.raise_error = true});
  CHECK(sum == 5050);
  CHECK(ended == 3);
}

TEST_CASE("join waits until every item has its task_done; one too many is an error") {
  weft::testing::virtual_clock clock;
  weft::queue<int> q;
  q.join();
  for (int i = 0; i < 3; ++i) q.put(i);
  CHECK_FALSE(q.join_for(1s));
  auto worker = weft::spawn([&] {
    for (int i = 0; i < 3; ++i) {
      q.get();
      weft::this_fiber::sleep_for(1s);
      q.task_done();
    }
  });
  q.join();
  CHECK(clock.elapsed() == 4s);
  CHECK_THROWS_AS(q.task_done(), weft::not_owner);
  q.put(1);
  auto joiner = weft::spawn([&] { q.join(); });
  weft::this_fiber::yield();
  joiner.kill();
  CHECK(joiner.was_cancelled());
  worker.join();
}

TEST_CASE("an item whose move throws is not lost") {
  struct moody {
    int value;
    bool* throws;
    moody(int v, bool* t) : value(v), throws(t) {}
    moody(moody&& o) : value(o.value), throws(o.throws) {
      if (*throws) throw std::runtime_error("not today");
    }
  };
  bool throws = false;
  weft::queue<moody> q;
  q.put(moody(1, &throws));
  throws = true;
  CHECK_THROWS(q.try_get());
  throws = false;
  CHECK(q.get().value == 1);
}

TEST_CASE("another OS thread puts through hub::post, and gets wrong_hub when it tries itself") {
  weft::queue<int> q;
  std::jthread other([&q, home = weft::this_hub()] {
    CHECK_THROWS_AS(q.put(1), weft::wrong_hub);
    CHECK_THROWS_AS(q.try_get(), weft::wrong_hub);
    CHECK_THROWS_AS(q.get_for(1s), weft::wrong_hub);
    CHECK_THROWS_AS(q.close(), weft::wrong_hub);
    CHECK_THROWS_AS(q.task_done(), weft::wrong_hub);
    CHECK_THROWS_AS(q.join(), weft::wrong_hub);
    for (int i = 0; i < 10; ++i) home.post([&q, i] { q.put(i); });
    home.post([&q] { q.close(); });
  });
  int expected = 0;
  for (int item : q) CHECK(item == expected++);
  CHECK(expected == 10);
}

TEST_CASE("a lifo_queue gives the newest item, with waiting putters behind") {
  weft::lifo_queue<int> q(2);
  q.put(1);
  q.put(2);
  auto putter = weft::spawn([&] { q.put(3); });
  weft::testing::wait_all_blocked();
  CHECK(q.get() == 2);
  putter.get();
  CHECK(q.get() == 3);
  CHECK(q.get() == 1);
  auto getter = weft::spawn([&] { return q.get(); });
  weft::this_fiber::yield();
  q.put(4);
  CHECK(getter.get() == 4);
  CHECK(q.empty());
}

TEST_CASE("a priority_queue gives the smallest item, the oldest among equals; bounds, close and join are the queue's") {
  struct job {
    int urgency;
    char name;
    bool operator<(const job& other) const { return urgency < other.urgency; }
  };
  weft::priority_queue<job> q(5);
  for (const job& j : {job{2, 'a'}, {1, 'b'}, {2, 'c'}, {1, 'd'}, {3, 'e'}}) q.put(j);
  auto urgent = weft::spawn([&] { q.put({0, 'f'}); });
  weft::testing::wait_all_blocked();
  CHECK(q.full());
  std::string order;
  auto closer = weft::spawn([&] {
    urgent.join();
    q.close();
  });
  for (const job& j : q) {
    order += j.name;
    q.task_done();
  }
  CHECK(order == "fbdace");
  q.join();
  weft::priority_queue<std::unique_ptr<int>, std::greater<>> pointers;
  pointers.put(std::make_unique<int>(1));
  CHECK(*pointers.get() == 1);
  weft::priority_queue<int, std::greater<int>> largest;
  for (const int i : {3, 9, 4}) largest.put(i);
  CHECK(largest.get() == 9);
}
