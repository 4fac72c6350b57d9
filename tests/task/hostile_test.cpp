// What programs should not do to tasks, and do: handles dropped from within, destructors that throw, primitives that die under those who
// wait, greenlets and generators left half-way.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

#include "counted.hpp"

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

namespace {

struct throws_at_end {
  ~throws_at_end() noexcept(false) { throw std::runtime_error("at the end"); }
};

}  // namespace

TEST_CASE("a task that drops the last handle on itself goes on and leaves nothing") {
  counted::alive = 0;
  bool over = false;
  weft::fiber<> self;
  self = weft::spawn([&]() -> task<> {
    const counted here;
    self = {};
    co_await async::yield();
    over = true;
  });
  weft::testing::wait_all_blocked();
  CHECK(over);
  CHECK(counted::alive == 0);
  CHECK(weft::this_hub().stats().fibers == 1);
}

TEST_CASE("a task that cancels itself ends at its next await, and one that ends without one returns") {
  int steps = 0;
  auto waits = weft::spawn([&]() -> task<> {
    weft::this_fiber::current().cancel();
    ++steps;
    co_await async::sleep_for(1h);
    ++steps;
  });
  auto returns = weft::spawn([&]() -> task<int> {
    weft::this_fiber::current().cancel();
    co_return 5;
  });
  waits.join();
  CHECK(waits.was_cancelled());
  CHECK(steps == 1);
  CHECK(returns.get() == 5);
}

TEST_CASE("a destructor that throws behind co_return is the task's failure, and the value is not lost") {
  const auto value = std::make_shared<int>(1);
  const auto ends_badly = [](std::shared_ptr<int> p) -> task<std::shared_ptr<int>> {
    const throws_at_end last;
    co_return p;
  };
  CHECK_THROWS_WITH(weft::await(ends_badly(value)), "at the end");
  CHECK_THROWS_WITH(weft::spawn(ends_badly, value).get(), "at the end");
  CHECK(value.use_count() == 1);
}

TEST_CASE("two that await one result: it is moved to the first, the second is told") {
  auto child = weft::spawn([]() -> task<std::unique_ptr<int>> {
    co_await async::yield();
    co_return std::make_unique<int>(7);
  });
  const auto asks = [&]() -> task<int> {
    const auto got = co_await child;
    co_return *got;
  };
  auto first = weft::spawn(asks);
  auto second = weft::spawn(asks);
  CHECK(first.get() == 7);
  CHECK_THROWS_AS(second.get(), weft::result_taken);
}

TEST_CASE("a handle of a task may be cancelled and dropped on another thread") {
  counted::alive = 0;
  auto t = weft::spawn([]() -> task<> {
    const counted here;
    co_await async::sleep_for(1h);
  });
  weft::testing::wait_all_blocked();
  weft::any_fiber watch = t;
  std::thread([mine = std::move(t)]() mutable {
    mine.cancel();
    mine = {};
  }).join();
  watch.join();
  CHECK(watch.was_cancelled());
  CHECK(counted::alive == 0);
}

TEST_CASE("barriers and shared mutexes that die under tasks that wait are not touched when those are cancelled") {
  auto b = std::make_unique<weft::barrier>(2);
  auto m = std::make_unique<weft::shared_mutex>();
  auto e = std::make_unique<weft::event>();
  auto q = std::make_unique<weft::queue<int>>();
  auto c = std::make_unique<weft::channel<int>>();
  m->lock_shared();
  std::vector<weft::any_fiber> all{
      weft::spawn([&]() -> task<> { co_await async::arrive_and_wait(*b); }),
      weft::spawn([&]() -> task<> { const auto held = co_await async::lock(*m); }),
      weft::spawn([&]() -> task<> { co_await *e; }),
      weft::spawn([&]() -> task<> { co_await async::get(*q); }),
      weft::spawn([&]() -> task<> { co_await async::send(*c, 1); }),
  };
  weft::testing::wait_all_blocked();
  b.reset();
  m.reset();
  e.reset();
  q.reset();
  c.reset();
  weft::killall(all);
  for (const auto& f : all) CHECK((f.was_cancelled() || f.successful()));
}

TEST_CASE("a suspended greenlet of a task ends with it") {
  counted::alive = 0;
  weft::greenlet kept;
  weft::spawn([&]() -> task<> {
    kept = weft::greenlet([] {
      const counted here;
      weft::greenlet::current().parent().switch_to(1);
    });
    const int got = kept.switch_to().as<int>();
    CHECK(got == 1);
    co_await async::yield();
    CHECK_FALSE(kept.dead());
  }).get();
  CHECK(kept.dead());
  CHECK(counted::alive == 0);
}

TEST_CASE("a generator with a stack is asked by a coroutine, which awaits between its values") {
  int sum = 0;
  weft::spawn([&]() -> task<> {
    weft::fiber_generator<int> numbers([](auto& yield) {
      for (int i = 1; i <= 3; ++i) yield(i);
    });
    while (auto n = numbers.next()) {
      co_await async::yield();
      sum += *n;
    }
  }).get();
  CHECK(sum == 6);
}

TEST_CASE("an asynchronous generator that is closed cleans up by awaiting; one that is destroyed does not") {
  weft::testing::virtual_clock clock;
  std::string log;
  const auto rows = [&]() -> weft::async_generator<int> {
    const counted here;
    bool closed = false;
    try {
      for (int i = 0;; ++i) co_yield i;
    } catch (const weft::greenlet_exit&) {
      closed = true;
    }
    if (closed) co_await async::sleep_for(1ms);
    log += "cleaned ";
  };
  counted::alive = 0;
  weft::await([&]() -> task<> {
    auto g = rows();
    const auto first = co_await g.next();
    CHECK(first == 0);
    co_await g.close();
    CHECK(g.done());
    CHECK(clock.elapsed() == 1ms);
    co_await g.close();
    auto untouched = rows();
    co_await untouched.close();
    CHECK(untouched.done());
    auto dropped = rows();
    const auto one = co_await dropped.next();
    CHECK(one == 0);
  }());
  CHECK(log == "cleaned ");
  CHECK(counted::alive == 0);
}

TEST_CASE("an asynchronous generator that yields instead of closing is an error") {
  weft::await([]() -> task<> {
    auto g = []() -> weft::async_generator<int> {
      for (int i = 0; i < 5; ++i) try {
          co_yield i;
        } catch (const weft::greenlet_exit&) {
        }
    }();
    const auto first = co_await g.next();
    CHECK(first == 0);
    bool refused = false;
    try {
      co_await g.close();
    } catch (const weft::error&) {
      refused = true;
    }
    CHECK(refused);
  }());
}

TEST_CASE("what the function beside a case of select throws passes through, and nobody is left in a line") {
  weft::channel<int> c;
  auto t = weft::spawn([&]() -> task<> {
    co_await async::select(weft::on_receive(c, [](std::optional<int>) -> task<> {
      co_await async::yield();
      throw std::runtime_error("beside");
    }));
  });
  weft::testing::wait_all_blocked();
  CHECK(c.try_send(1));
  CHECK_THROWS_WITH(t.get(), "beside");
  CHECK_FALSE(c.try_send(2));
}

TEST_CASE("wrong_hub says where to go") {
  weft::event* foreign = nullptr;
  std::thread([&] { foreign = new weft::event; }).join();
  const std::unique_ptr<weft::event> owner(foreign);
  CHECK_THROWS_WITH(foreign->wait(), "event belongs to the hub of another OS thread: have it used there, by hub::post");
}
