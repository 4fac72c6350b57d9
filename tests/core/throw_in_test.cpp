// throw_in: an exception of the caller's choice at a fiber's present or next park point, once.
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

namespace {
std::exception_ptr error(const char* text) { return std::make_exception_ptr(std::runtime_error(text)); }
}  // namespace

TEST_CASE("an exception thrown into a parked fiber comes out of its park, once") {
  weft::testing::virtual_clock clock;
  int caught = 0;
  auto f = weft::spawn([&] {
    try {
      sleep_for(1h);
    } catch (const std::runtime_error& e) {
      CHECK(std::string(e.what()) == "thrown in");
      ++caught;
    }
    sleep_for(2s);
    return 8;
  });
  weft::this_fiber::yield();
  f.throw_in(error("thrown in"));
  CHECK(caught == 0);
  CHECK(f.get() == 8);
  CHECK(caught == 1);
  CHECK(clock.elapsed() == 2s);
}

TEST_CASE("one that is not caught is the fiber's failure") {
  auto f = weft::spawn([] { sleep_for(1h); });
  weft::this_fiber::yield();
  f.throw_in(error("not caught"));
  CHECK_THROWS_WITH(f.get(), "not caught");
}

TEST_CASE("a fiber that has not begun fails with it, without running") {
  bool ran = false;
  auto captured = std::make_shared<int>(1);
  auto f = weft::spawn([&ran, captured] { ran = true; });
  f.throw_in(error("before it began"));
  CHECK_THROWS_WITH(f.get(), "before it began");
  CHECK_FALSE(ran);
  CHECK(captured.use_count() == 1);
}

TEST_CASE("a ready fiber gets it at its next park point") {
  int steps = 0;
  auto f = weft::spawn([&] {
    weft::this_fiber::yield();
    ++steps;
  });
  weft::this_fiber::yield();
  f.throw_in(error("at the yield"));
  CHECK_THROWS_WITH(f.get(), "at the yield");
  CHECK(steps == 0);
}

TEST_CASE("thrown into the running fiber it waits for the next park point") {
  auto f = weft::spawn([] {
    weft::this_fiber::current().throw_in(error("own"));
    int n = 1;
    try {
      weft::this_fiber::checkpoint();
    } catch (const std::runtime_error&) {
      n = 2;
    }
    weft::this_fiber::checkpoint();
    return n;
  });
  CHECK(f.get() == 2);
}

TEST_CASE("timeouts around the park do not take it for their own") {
  auto f = weft::spawn([] { weft::move_on_after(1h, [] { sleep_for(2h); }); });
  weft::this_fiber::yield();
  f.throw_in(error("through"));
  CHECK_THROWS_WITH(f.get(), "through");
}

TEST_CASE("thrown into a fiber that is over, or nothing thrown, changes nothing") {
  auto f = weft::spawn([] { return 2; });
  f.throw_in(nullptr);
  f.join();
  f.throw_in(error("late"));
  CHECK(f.get() == 2);
}

TEST_CASE("one that ends without parking again is not failed by it, and the exception dies") {
  struct tracked {
    std::shared_ptr<int> p;
  };
  auto p = std::make_shared<int>(0);
  auto f = weft::spawn([&] {
    weft::this_fiber::current().throw_in(std::make_exception_ptr(tracked{p}));
    return 1;
  });
  CHECK(f.get() == 1);
  f = {};
  CHECK(p.use_count() == 1);
}

TEST_CASE("a clean-up that parks during unwinding is not disturbed by it") {
  weft::testing::virtual_clock clock;
  bool cleaned = false;
  struct at_exit {
    std::function<void()> fn;
    ~at_exit() { fn(); }
  };
  auto f = weft::spawn([&] {
    at_exit e{[&] {
      sleep_for(5s);
      cleaned = true;
    }};
    sleep_for(1h);
  });
  weft::this_fiber::yield();
  f.cancel();
  sleep_for(1s);
  f.throw_in(error("during clean-up"));
  f.join();
  CHECK(cleaned);
  CHECK(f.was_cancelled());
  CHECK(clock.elapsed() == 5s);
}

TEST_CASE("cancelled and thrown into at once, a fiber gets both, one a park") {
  int order = 0;
  bool threw = false, was_cancelled = false;
  auto f = weft::spawn([&] {
    try { sleep_for(1h); } catch (const std::runtime_error&) { threw = ++order == 1; }
    try { sleep_for(1h); } catch (const weft::cancelled&) { was_cancelled = ++order == 2; }
  });
  weft::this_fiber::yield();
  f.throw_in(error("first"));
  f.cancel();
  f.join();
  CHECK(threw);
  CHECK(was_cancelled);
}
