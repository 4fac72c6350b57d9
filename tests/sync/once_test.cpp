// weft::call_once and its awaited form: one call, whoever comes meanwhile and whatever ends it.
#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "weft/async.hpp"
#include "weft/fiber.hpp"
#include "weft/once.hpp"
#include "weft/testing.hpp"

#include "chaos.hpp"

using namespace std::chrono_literals;
using weft::task;
using weft::this_fiber::sleep_for;
namespace async = weft::async;

TEST_CASE("of fibers and tasks that come together one calls, and the others wait for its end") {
  weft::testing::virtual_clock clock;
  weft::once_flag flag;
  int calls = 0, through = 0;
  const auto in_fiber = [&] {
    weft::call_once(flag, [&](int n) {
      sleep_for(1s);
      calls += n;
    }, 1);
    CHECK(calls == 1);
    ++through;
  };
  const auto in_task = [&]() -> task<> {
    co_await async::call_once(flag, [&](int n) -> task<> {
      co_await async::sleep_for(1s);
      calls += n;
    }, 1);
    CHECK(calls == 1);
    ++through;
  };
  SUBCASE("a fiber first") {
    std::vector<weft::fiber<>> all{weft::spawn(in_fiber), weft::spawn(in_task), weft::spawn(in_fiber), weft::spawn(in_task)};
    CHECK_FALSE(flag.done());
    weft::joinall(all, {.raise_error = true});
  }
  SUBCASE("a task first") {
    std::vector<weft::fiber<>> all{weft::spawn(in_task), weft::spawn(in_fiber), weft::spawn(in_task), weft::spawn(in_fiber)};
    weft::joinall(all, {.raise_error = true});
  }
  CHECK(flag.done());
  CHECK(through == 4);
  CHECK(clock.elapsed() == 1s);
  weft::call_once(flag, [&] { ++calls; });
  weft::await(async::call_once(flag, [&]() -> task<> {
    ++calls;
    co_return;
  }));
  CHECK(calls == 1);
}

TEST_CASE("a call that throws, or is cancelled, does not count: the next in line calls") {
  weft::testing::virtual_clock clock;
  weft::once_flag flag;
  int calls = 0;
  const auto call = [&] {
    weft::call_once(flag, [&] {
      const int mine = ++calls;
      sleep_for(1s);
      if (mine == 1) throw std::runtime_error("first");
    });
  };
  auto fails = weft::spawn(call);
  auto cut_off = weft::spawn([&]() -> task<> {
    co_await async::call_once(flag, [&]() -> task<> {
      ++calls;
      co_await async::sleep_for(1h);
    });
  });
  auto waits = weft::spawn(call);
  auto gives_up = weft::spawn([&] { CHECK_FALSE(weft::move_on_after(500ms, call)); });
  CHECK_THROWS_WITH(fails.get(), "first");
  CHECK_FALSE(flag.done());
  sleep_for(1s);
  CHECK(calls == 2);
  cut_off.kill();
  waits.get();
  gives_up.get();
  CHECK(flag.done());
  CHECK(calls == 3);
  CHECK(clock.elapsed() == 3s);
}

TEST_CASE("a call inside the call is an error, and so is another OS thread") {
  weft::once_flag flag;
  CHECK_THROWS_AS(weft::call_once(flag, [&] { weft::call_once(flag, [] {}); }), std::system_error);
  CHECK_FALSE(flag.done());
  CHECK_THROWS_AS(weft::await(async::call_once(flag, [&]() -> task<> { co_await async::call_once(flag, []() -> task<> { co_return; }); })),
                  std::system_error);
  std::thread([&] { CHECK_THROWS_AS(weft::call_once(flag, [] {}), weft::wrong_hub); }).join();
  weft::call_once(flag, [] {});
  CHECK(flag.done());
}

TEST_CASE("under every schedule one call at a time, and one that counts") {
  using namespace chaos;
  under_all_seeds([](world& w) {
    weft::once_flag flag;
    int inside = 0, counted = 0;
    const auto expect = [](bool ok, const char* what) {
      if (!ok) FAIL(std::string(what));
    };
    struct guard {
      int& n;
      explicit guard(int& of) : n(of) { ++n; }
      ~guard() { --n; }
    };
    const auto call = [&] {
      expect(!flag.done(), "called again");
      const guard here(inside);
      expect(inside == 1, "two calls at once");
      w.nap();
      if (w.roll.one_in(3)) throw 1;
      ++counted;
    };
    const auto call_as_task = [&]() -> task<> {
      expect(!flag.done(), "called again");
      const guard here(inside);
      expect(inside == 1, "two calls at once");
      co_await async::sleep_for(w.moment());
      if (w.roll.one_in(3)) throw 1;
      ++counted;
    };
    for (int i = 0; i < 6; ++i)
      w.start([&] {
        try {
          w.limited([&] {
            if (w.roll.one_in(2))
              weft::call_once(flag, call);
            else
              weft::await(async::call_once(flag, call_as_task));
            expect(flag.done(), "it came back too early");
          });
        } catch (int) {
        }
      });
    w.finish();
    expect(counted == (flag.done() ? 1 : 0) && inside == 0, "the calls do not balance");
  });
}
