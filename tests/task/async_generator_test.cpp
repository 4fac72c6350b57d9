// weft::async_generator beyond next(): what is sent and thrown in, how it is closed, and what happens to it half-way.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

#include "child.hpp"
#include "counted.hpp"

using namespace std::chrono_literals;
using weft::async_generator;
using weft::task;
namespace async = weft::async;

namespace {

async_generator<double, double> average() {
  const counted here;
  double sum = 0;
  int n = 0;
  for (;;) {
    const std::optional<double> got = co_yield n == 0 ? 0.0 : sum / n;
    if (!got) co_return;
    co_await async::sleep_for(1s);
    sum += *got;
    ++n;
  }
}

async_generator<int> ticks() {
  const counted here;
  for (int i = 0;; ++i) {
    co_await async::sleep_for(1s);
    co_yield i;
  }
}

// Cleans up for 2 s when it is closed.
async_generator<int> tidy(std::string& log) {
  const counted here;
  bool closed = false;
  try {
    co_yield 1;
  } catch (const weft::greenlet_exit&) {
    closed = true;
  }
  if (!closed) co_return;
  log += "closing ";
  co_await async::sleep_for(2s);
  log += "closed";
}

// What it throws, as text; "nothing" otherwise.
template <class A>
task<std::string> thrown_by(A what) {
  try {
    co_await std::move(what);
  } catch (const std::exception& e) {
    co_return e.what();
  } catch (int n) {
    co_return std::to_string(n);
  }
  co_return "nothing";
}

}  // namespace

TEST_CASE("what is sent is what the co_yield gives, empty for next()") {
  weft::testing::virtual_clock clock;
  counted::alive = 0;
  weft::await([]() -> task<> {
    auto g = average();
    const std::string early = co_await thrown_by(g.send(1));
    CHECK(early == "the generator has not begun: nothing can be sent to it");
    auto v = co_await g.next();
    CHECK(v == 0.0);
    v = co_await g.send(10);
    CHECK(v == 10.0);
    v = co_await g.send(20);
    CHECK(v == 15.0);
    v = co_await g.next();
    CHECK_FALSE(v);
    CHECK(g.done());
    v = co_await g.send(30);
    CHECK_FALSE(v);
  }());
  CHECK(clock.elapsed() == 2s);
  CHECK(counted::alive == 0);
}

TEST_CASE("what can only be moved is sent, and yielded") {
  weft::await([]() -> task<> {
    auto g = []() -> async_generator<std::unique_ptr<int>, std::unique_ptr<int>> {
      auto got = co_yield std::make_unique<int>(1);
      while (got) {
        **got += 1;
        std::unique_ptr<int> back = std::move(*got);
        got = co_yield std::move(back);
      }
    }();
    auto v = co_await g.next();
    CHECK(**v == 1);
    v = co_await g.send(std::make_unique<int>(6));
    CHECK(**v == 7);
  }());
}

TEST_CASE("what is thrown in meets what was sent: each co_yield hears of one") {
  weft::await([]() -> task<> {
    auto g = []() -> async_generator<int, int> {
      int last = 0;
      for (;;) {
        try {
          const std::optional<int> got = co_yield last;
          last = got.value_or(-1);
        } catch (int n) {
          last = 100 * n;
        }
      }
    }();
    auto v = co_await g.next();
    CHECK(v == 0);
    v = co_await g.send(4);
    CHECK(v == 4);
    v = co_await g.throw_in(std::make_exception_ptr(5));
    CHECK(v == 500);
    v = co_await g.next();
    CHECK(v == -1);
    v = co_await g.send(6);
    CHECK(v == 6);
  }());
}

TEST_CASE("a generator that asks itself, or closes itself, is told so, and goes on") {
  async_generator<int>* self = nullptr;
  const auto asks_itself = [&]() -> async_generator<int> {
    const std::string asked = co_await thrown_by(self->next());
    CHECK(asked == "the generator is running already: one at a time can await its next value");
    const std::string closed = co_await thrown_by(self->close());
    CHECK(closed == asked);
    const std::string thrown = co_await thrown_by(self->throw_in(std::make_exception_ptr(1)));
    CHECK(thrown == asked);
    co_yield 1;
  };
  weft::await([&]() -> task<> {
    auto g = asks_itself();
    self = &g;
    auto v = co_await g.next();
    CHECK(v == 1);
    v = co_await g.next();
    CHECK_FALSE(v);
  }());
}

TEST_CASE("while one task awaits it every other one is refused, whatever it wants") {
  weft::testing::virtual_clock clock;
  auto g = ticks();
  auto first = weft::spawn(g.next());
  weft::this_fiber::yield();
  CHECK_THROWS_AS(weft::await(g.next()), weft::error);
  CHECK_THROWS_AS(weft::await(g.throw_in(std::make_exception_ptr(1))), weft::error);
  CHECK_THROWS_AS(weft::await(g.close()), weft::error);
  CHECK(first.get() == 0);
  CHECK(weft::await(g.next()) == 1);
}

TEST_CASE("one that is moved while it is awaited goes on in its new place; the old one is empty") {
  weft::testing::virtual_clock clock;
  counted::alive = 0;
  {
    auto g = ticks();
    auto first = weft::spawn([&]() -> task<int> {
      const auto v = co_await g.next();
      co_return *v;
    });
    weft::this_fiber::yield();
    auto moved = std::move(g);
    CHECK(first.get() == 0);
    CHECK(g.done());
    CHECK_THROWS_AS(weft::await(g.next()), weft::error);
    CHECK_THROWS_AS(weft::await(g.throw_in(std::make_exception_ptr(3))), int);
    weft::await(g.close());
    CHECK(weft::await(moved.next()) == 1);
  }
  CHECK(counted::alive == 0);
}

TEST_CASE("close: the clean-up may wait, and is waited for; one that has not begun, or is over, has none") {
  weft::testing::virtual_clock clock;
  counted::alive = 0;
  std::string log;
  weft::await([&]() -> task<> {
    auto g = tidy(log);
    auto v = co_await g.next();
    CHECK(v == 1);
    co_await g.close();
    CHECK(log == "closing closed");
    CHECK(clock.elapsed() == 2s);
    CHECK(g.done());
    v = co_await g.next();
    CHECK_FALSE(v);
    co_await g.close();
    auto unbegun = tidy(log);
    co_await unbegun.close();
    CHECK(unbegun.done());
    v = co_await unbegun.next();
    CHECK_FALSE(v);
    auto sent_after = average();
    co_await sent_after.close();
    const auto none = co_await sent_after.send(1);
    CHECK_FALSE(none);
    auto thrown_at = ticks();
    const std::string thrown = co_await thrown_by(thrown_at.throw_in(std::make_exception_ptr(9)));
    CHECK(thrown == "9");
    v = co_await thrown_at.next();
    CHECK_FALSE(v);
  }());
  CHECK(log == "closing closed");
  CHECK(counted::alive == 0);
}

TEST_CASE("close of one that yields instead of ending is an error; what its clean-up throws comes out") {
  weft::await([]() -> task<> {
    auto stubborn = []() -> async_generator<int> {
      for (int i = 0;; ++i) {
        try {
          co_yield i;
        } catch (const weft::greenlet_exit&) {
        }
      }
    }();
    co_await stubborn.next();
    const std::string refused = co_await thrown_by(stubborn.close());
    CHECK(refused == "the generator yields instead of ending");
    CHECK_FALSE(stubborn.done());
    auto clumsy = []() -> async_generator<int> {
      try {
        co_yield 1;
      } catch (const weft::greenlet_exit&) {
        throw std::runtime_error("clumsy");
      }
    }();
    co_await clumsy.next();
    const std::string thrown = co_await thrown_by(clumsy.close());
    CHECK(thrown == "clumsy");
    CHECK(clumsy.done());
  }());
}

TEST_CASE("cancelled in the middle of the clean-up, it ends there, and who closes it is cancelled") {
  weft::testing::virtual_clock clock;
  counted::alive = 0;
  std::string log;
  auto f = weft::spawn([&]() -> task<> {
    auto g = tidy(log);
    co_await g.next();
    co_await g.close();
  });
  weft::this_fiber::sleep_for(1s);
  CHECK(counted::alive == 1);
  f.kill();
  CHECK(f.was_cancelled());
  CHECK(log == "closing ");
  CHECK(counted::alive == 0);
  CHECK(clock.elapsed() == 1s);
  // In a shield it is let finish.
  f = weft::spawn([&]() -> task<> {
    auto g = tidy(log);
    co_await g.next();
    co_await async::shield(g.close());
  });
  weft::this_fiber::sleep_for(1s);
  f.kill();
  CHECK(log == "closing closing closed");
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("a timeout around a wait of the generator's ends the generator, unless it catches that") {
  weft::testing::virtual_clock clock;
  counted::alive = 0;
  weft::await([]() -> task<> {
    auto g = ticks();
    bool in_time = co_await async::move_on_after(1500ms, g.next());
    CHECK(in_time);
    in_time = co_await async::move_on_after(500ms, g.next());
    CHECK_FALSE(in_time);
    CHECK(g.done());
    auto v = co_await g.next();
    CHECK_FALSE(v);
    auto careful = []() -> async_generator<int> {
      for (int i = 0;; ++i) {
        const bool whole = co_await async::move_on_after(1s, async::sleep_for(1h));
        co_yield whole ? -1 : i;
      }
    }();
    v = co_await careful.next();
    v = co_await careful.next();
    CHECK(v == 1);
  }());
  CHECK(counted::alive == 0);
}

TEST_CASE("dropped half-way its locals go, whoever else it was asking") {
  weft::testing::virtual_clock clock;
  counted::alive = 0;
  weft::await([]() -> task<> {
    auto outer = [](async_generator<int> inner) -> async_generator<int> {
      const counted here;
      while (auto v = co_await inner.next()) co_yield *v + 10;
    }(ticks());
    const auto v = co_await outer.next();
    CHECK(v == 10);
    CHECK(counted::alive == 2);
  }());
  CHECK(counted::alive == 0);
  auto replaced = ticks();
  weft::await(replaced.next());
  replaced = ticks();
  CHECK(weft::await(replaced.next()) == 0);
}

TEST_CASE("(child) a generator that goes while a task awaits it" * doctest::skip()) {
  auto g = std::make_unique<async_generator<int>>(ticks());
  auto f = weft::spawn(g->next());
  weft::this_fiber::yield();
  g.reset();
}

TEST_CASE("a generator that goes while a task awaits it ends the process with a sentence") {
  const auto end = weft_test::run_self("(child) a generator that goes while a task awaits it");
  CHECK(end.exit_code != 0);
  CHECK(end.err.find("an async_generator was destroyed while a task awaits its next value") != std::string::npos);
}
