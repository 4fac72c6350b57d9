// What weft::generator and weft::async_generator promise: values one at a time, both ways, delegation, results, ends.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

#include "counted.hpp"

using namespace std::chrono_literals;
using weft::generator;
using weft::task;
namespace async = weft::async;

namespace {

generator<int> count(int from, int to) {
  const counted here;
  for (int i = from; i < to; ++i) co_yield i;
}

generator<int> nested(int depth) {
  if (depth > 0) co_yield weft::from(nested(depth - 1));
  co_yield depth;
}

generator<double, double, int> average() {
  double sum = 0;
  int n = 0;
  for (;;) {
    const auto got = co_yield n == 0 ? 0.0 : sum / n;
    if (!got) co_return n;
    sum += *got;
    ++n;
  }
}

weft::async_generator<int> ticks(int n) {
  const counted here;
  for (int i = 0; i < n; ++i) {
    co_await async::sleep_for(1ms);
    co_yield i;
  }
}

}  // namespace

TEST_CASE("a generator runs only as far as it is asked") {
  int reached = 0;
  const auto steps = [&]() -> generator<int> {
    for (int i = 1;; ++i) {
      reached = i;
      co_yield i;
    }
  };
  generator<int> g = steps();
  CHECK(reached == 0);
  CHECK(g.next() == 1);
  CHECK(g.next() == 2);
  CHECK(reached == 2);
  CHECK_FALSE(g.done());
}

TEST_CASE("a range-for takes all values, or as many as it wants, and the locals go with the generator") {
  counted::alive = 0;
  std::vector<int> got;
  for (const int i : count(3, 6)) got.push_back(i);
  CHECK(got == std::vector{3, 4, 5});
  for (const int i : count(0, 100))
    if (i == 2) break;
  CHECK(counted::alive == 0);
  generator<int> g = count(0, 2);
  CHECK(g.next());
  CHECK(counted::alive == 1);
  g.close();
  CHECK(counted::alive == 0);
  CHECK(g.done());
}

TEST_CASE("what is sent is what the co_yield gives; the result is there at the end") {
  auto g = average();
  CHECK_THROWS_AS(g.send(1), weft::error);
  CHECK(g.next() == 0.0);
  CHECK(g.send(10) == 10.0);
  CHECK(g.send(20) == 15.0);
  CHECK_THROWS_AS(g.result(), weft::error);
  CHECK_FALSE(g.next());
  CHECK(g.result() == 2);
  CHECK_FALSE(g.next());
}

TEST_CASE("what is thrown in is thrown by the co_yield, which may catch it") {
  const auto stubborn = []() -> generator<std::string> {
    std::string last = "none";
    for (;;) {
      try {
        co_yield last;
      } catch (const std::runtime_error& e) {
        last = e.what();
      }
    }
  };
  auto g = stubborn();
  CHECK(g.next() == "none");
  CHECK(g.throw_in(std::make_exception_ptr(std::runtime_error("one"))) == "one");
  CHECK_THROWS_AS(g.throw_in(std::make_exception_ptr(7)), int);
  CHECK(g.done());
  CHECK_THROWS_AS(g.throw_in(std::make_exception_ptr(7)), int);
  auto fresh = stubborn();
  CHECK_THROWS_AS(fresh.throw_in(std::make_exception_ptr(7)), int);
  CHECK(fresh.done());
}

TEST_CASE("what a generator throws arrives once at who asked, and it is over") {
  auto g = []() -> generator<int> {
    co_yield 1;
    throw std::runtime_error("broken");
  }();
  CHECK(g.next() == 1);
  CHECK_THROWS_WITH(g.next(), "broken");
  CHECK_FALSE(g.next());
}

TEST_CASE("delegation yields, is sent, is thrown in and returns through every level") {
  const auto outer = []() -> generator<double, double, std::string> {
    const int n = co_yield weft::from(average());
    co_yield -1.0;
    auto kept = average();
    kept.next();
    const int m = co_yield weft::from(kept);
    co_return std::to_string(n) + " " + std::to_string(m);
  };
  auto g = outer();
  CHECK(g.next() == 0.0);
  CHECK(g.send(4) == 4.0);
  CHECK(g.send(8) == 6.0);
  CHECK(g.next() == -1.0);
  CHECK_FALSE(g.next());
  CHECK(g.result() == "2 0");
  auto thrown_into = outer();
  thrown_into.next();
  CHECK_THROWS_AS(thrown_into.throw_in(std::make_exception_ptr(3)), int);
}

TEST_CASE("delegation ten thousand deep is resumed at once, and ends in order") {
  int expected = 0;
  for (const int i : nested(10'000)) {
    CHECK_MESSAGE(i == expected, "in order");
    if (i != expected++) break;
  }
  CHECK(expected == 10'001);
}

TEST_CASE("a generator that asks itself, and one that was moved from, are errors") {
  generator<int>* self = nullptr;
  const auto asks_itself = [&]() -> generator<int> {
    CHECK_THROWS_AS(self->next(), weft::error);
    CHECK_THROWS_AS(self->close(), weft::error);
    co_yield 1;
  };
  auto g = asks_itself();
  self = &g;
  CHECK(g.next() == 1);
  auto moved = std::move(g);
  CHECK_THROWS_AS(g.next(), weft::error);
  CHECK_FALSE(moved.next());
}

TEST_CASE("a generator that was closed is over") {
  auto g = []() -> generator<int> {
    co_yield 1;
    co_yield 2;
  }();
  CHECK(g.next() == 1);
  g.close();
  g.close();
  CHECK(g.done());
  CHECK_FALSE(g.next());
  CHECK_THROWS_AS(g.result(), weft::error);
}

TEST_CASE("the end of the outer one ends what it delegates to, borrowed or not") {
  counted::alive = 0;
  const auto inner = []() -> generator<int> {
    const counted here;
    for (int i = 0;; ++i) co_yield i;
  };
  const auto lends = [](generator<int>& of) -> generator<int> { co_yield weft::from(of); };
  auto in = inner();
  {
    auto out = lends(in);
    CHECK(out.next() == 0);
    CHECK_THROWS_AS(in.next(), weft::error);
    CHECK_THROWS_AS(in.close(), weft::error);
    CHECK(out.next() == 1);
  }
  CHECK(in.done());
  CHECK_FALSE(in.next());
  CHECK(counted::alive == 0);
  // The other way round: the inner one goes first.
  std::optional<generator<int>> first(inner());
  auto out = lends(*first);
  CHECK(out.next() == 0);
  first.reset();
  CHECK(counted::alive == 0);
}

TEST_CASE("values that can only be moved are yielded") {
  for (const auto& p : []() -> generator<std::unique_ptr<int>> { co_yield std::make_unique<int>(4); }()) CHECK(*p == 4);
}

TEST_CASE("an asynchronous generator awaits between its values") {
  weft::testing::virtual_clock clock;
  counted::alive = 0;
  const auto body = []() -> task<std::vector<int>> {
    std::vector<int> got;
    auto g = ticks(3);
    while (auto v = co_await g.next()) got.push_back(*v);
    CHECK(g.done());
    CHECK_FALSE(co_await g.next());
    co_return got;
  };
  CHECK(weft::await(body()) == std::vector{0, 1, 2});
  CHECK(weft::spawn(body).get() == std::vector{0, 1, 2});
  CHECK(clock.elapsed() == 6ms);
  CHECK(weft::await(async::collect(ticks(4))) == std::vector{0, 1, 2, 3});
  CHECK(counted::alive == 0);
}

TEST_CASE("asynchronous generators feed one another, and a failure passes through") {
  weft::testing::virtual_clock clock;
  const auto doubled = [](weft::async_generator<int> source) -> weft::async_generator<int> {
    while (auto v = co_await source.next()) {
      if (*v == 3) throw std::runtime_error("three");
      co_yield 2 * *v;
    }
  };
  CHECK(weft::await(async::collect(doubled(ticks(3)))) == std::vector{0, 2, 4});
  CHECK_THROWS_WITH(weft::await(async::collect(doubled(ticks(5)))), "three");
}

TEST_CASE("what is thrown into an asynchronous generator is thrown by its co_yield") {
  weft::await([]() -> task<> {
    auto g = []() -> weft::async_generator<int> {
      int caught = 0;
      try {
        co_yield 1;
      } catch (int e) {
        caught = e;
      }
      co_yield caught;
    }();
    CHECK(co_await g.next() == 1);
    CHECK(co_await g.throw_in(std::make_exception_ptr(5)) == 5);
    CHECK_FALSE(co_await g.next());
    CHECK_THROWS_AS(co_await g.throw_in(std::make_exception_ptr(5)), int);
    auto unbegun = ticks(3);
    CHECK_THROWS_AS(co_await unbegun.throw_in(std::make_exception_ptr(5)), int);
    CHECK(unbegun.done());
  }());
}

TEST_CASE("a task that is cancelled while it awaits a generator cancels the generator's wait; one that is dropped ends where it stands") {
  counted::alive = 0;
  auto f = weft::spawn([]() -> task<> {
    auto g = ticks(1'000'000);
    while (co_await g.next()) {
    }
  });
  weft::this_fiber::sleep_for(5ms);
  CHECK(counted::alive == 1);
  f.kill();
  CHECK(f.was_cancelled());
  CHECK(counted::alive == 0);
  weft::await([]() -> task<> {
    auto g = ticks(5);
    co_await g.next();
  }());
  CHECK(counted::alive == 0);
}

TEST_CASE("two tasks that await one generator at the same time: the second is refused") {
  auto g = ticks(5);
  const auto asks = [&]() -> task<> { co_await g.next(); };
  auto first = weft::spawn(asks);
  auto second = weft::spawn(asks);
  CHECK_THROWS_AS(second.get(), weft::error);
  first.get();
}
