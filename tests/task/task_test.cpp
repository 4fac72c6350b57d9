// What weft::task promises: lazy, awaited in a chain, spawned for the handle that functions give, awaited by fibers; results and failures.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

namespace {

// Counts its living copies: what is in it must go when a frame goes.
struct counted {
  static inline int alive = 0;
  int value = 0;
  explicit counted(int v) : value(v) { ++alive; }
  counted(const counted& other) : value(other.value) { ++alive; }
  counted(counted&& other) noexcept : value(other.value) { ++alive; }
  ~counted() { --alive; }
};

task<int> half(int x) { co_return x / 2; }
task<int> slow_half(int x) {
  co_await async::sleep_for(10ms);
  co_return x / 2;
}
task<int> sum_to(int n) {
  if (n == 0) co_return 0;
  co_return n + co_await sum_to(n - 1);
}
task<> fails(const char* why) {
  co_await async::yield();
  throw std::runtime_error(why);
}
task<counted> holds(counted c) {
  co_await async::sleep_for(1ms);
  co_return std::move(c);
}

}  // namespace

TEST_CASE("a task runs nothing before it is awaited, and one that is dropped never runs") {
  bool ran = false;
  const auto body = [&]() -> task<> {
    ran = true;
    co_return;
  };
  {
    task<> t = body();
    CHECK(t);
    weft::this_fiber::yield();
  }
  CHECK_FALSE(ran);
  weft::await(body());
  CHECK(ran);
}

TEST_CASE("a fiber awaits a task and gets its value, void, a reference, something that can only be moved") {
  CHECK(weft::await(half(8)) == 4);
  CHECK(weft::await(slow_half(8)) == 4);
  int x = 1;
  weft::await([](int& y) -> task<int&> { co_return y; }(x)) = 5;
  CHECK(x == 5);
  const auto p = weft::await([]() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); }());
  CHECK(*p == 7);
}

TEST_CASE("tasks await tasks, a thousand deep, and a loop may await a million of them") {
  CHECK(weft::await(sum_to(1000)) == 500500);
  const auto loop = []() -> task<long> {
    long sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await half(2);
    co_return sum;
  };
  CHECK(weft::await(loop()) == 1'000'000);
  CHECK(weft::spawn(loop).get() == 1'000'000);
}

TEST_CASE("spawn of a task gives the handle that spawn of a function gives, and never runs it at once") {
  bool ran = false;
  weft::fiber<int> f = weft::spawn([&]() -> task<int> {
    ran = true;
    co_return 3;
  });
  CHECK_FALSE(ran);
  CHECK_FALSE(f.done());
  CHECK(f.get() == 3);
  CHECK(f.done());
  CHECK(f.successful());
  CHECK_THROWS_AS(f.get(), weft::result_taken);
  CHECK(weft::spawn(half(10)).get() == 5);
  CHECK(weft::spawn(half, 12).get() == 6);
  CHECK(weft::spawn({.name = "halver"}, half, 12).name() == "halver");
}

TEST_CASE("what a task is spawned with lives until it is over") {
  counted::alive = 0;
  {
    auto f = weft::spawn(
        [held = counted(1)](const counted& argument) -> task<int> {
          co_await async::sleep_for(1ms);
          co_return held.value + argument.value;
        },
        counted(2));
    CHECK(counted::alive == 2);
    CHECK(f.get() == 3);
  }
  CHECK(counted::alive == 0);
}

TEST_CASE("joinall mixes fibers and tasks") {
  weft::testing::virtual_clock clock;
  std::vector<weft::any_fiber> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(weft::spawn([i] { weft::this_fiber::sleep_for(i * 1ms); }));
    all.push_back(weft::spawn([i]() -> task<> { co_await async::sleep_for(i * 1ms); }));
  }
  CHECK(weft::joinall(all) == 10);
  CHECK(clock.elapsed() == 4ms);
  std::vector<weft::any_fiber> one_fails{weft::spawn(fails("seen")), weft::spawn([] { weft::this_fiber::sleep_for(1h); })};
  CHECK_THROWS_WITH(weft::joinall(one_fails, {.raise_error = true}), "seen");
  CHECK(weft::killall(one_fails));
}

TEST_CASE("what a task throws reaches whoever awaits it, through every level") {
  CHECK_THROWS_WITH(weft::await(fails("awaited")), "awaited");
  CHECK_THROWS_WITH(weft::spawn(fails("spawned")).get(), "spawned");
  const auto outer = [](int levels, auto self) -> task<> {
    if (levels == 0) co_await fails("deep");
    co_await self(levels - 1, self);
  };
  CHECK_THROWS_WITH(weft::await(outer(10, outer)), "deep");
  const auto catches = []() -> task<std::string> {
    try {
      co_await fails("caught");
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing";
  };
  CHECK(weft::await(catches()) == "caught");
}

TEST_CASE("a failure that nobody asked about is reported") {
  std::string reported;
  weft::on_error([&](const weft::unobserved_failure& f) { reported = f.text; });
  weft::spawn(fails("unseen"));
  weft::testing::wait_all_blocked();
  weft::on_error({});
  CHECK(reported.find("unseen") != reported.npos);
}

TEST_CASE("results and locals go when the last handle goes, taken or not") {
  counted::alive = 0;
  {
    auto kept = weft::spawn(holds(counted(1)));
    weft::spawn(holds(counted(2)));  // nobody will ask
    auto taken = weft::spawn(holds(counted(3)));
    CHECK(taken.get().value == 3);
    weft::testing::wait_all_blocked();
    kept.join();
    CHECK(counted::alive == 2);  // kept's result, and what is left of the one that was moved out
  }
  CHECK(counted::alive == 0);
}

TEST_CASE("tasks and fibers that are made ready run in that order, whatever they are") {
  std::string order;
  const auto as_task = [&](char c) -> task<> {
    order += c;
    co_await async::yield();
    order += c;
  };
  const auto as_fiber = [&](char c) {
    order += c;
    weft::this_fiber::yield();
    order += c;
  };
  std::vector<weft::any_fiber> all{weft::spawn(as_task, 'a'), weft::spawn(as_fiber, 'b'), weft::spawn(as_task, 'c'),
                                   weft::spawn(as_task, 'd'), weft::spawn(as_fiber, 'e')};
  weft::joinall(all);
  CHECK(order == "abcdeabcde");
}

TEST_CASE("a call that would park throws would_block_hub in a coroutine, and says what to do instead") {
  const auto blocks = []() -> task<std::string> {
    try {
      weft::this_fiber::sleep_for(1ms);
    } catch (const weft::would_block_hub& e) {
      co_return e.what();
    }
    co_return "slept";
  };
  CHECK(weft::await(blocks()).find("co_await") != std::string::npos);
  CHECK(weft::spawn(blocks).get().find("sleep") != std::string::npos);
  const auto yields = []() -> task<> {
    CHECK_THROWS_AS(weft::this_fiber::yield(), weft::would_block_hub);
    CHECK_THROWS_AS(weft::await(half(2)), weft::would_block_hub);
    CHECK_THROWS_AS(weft::spawn(half(2)).get(), weft::would_block_hub);
    co_return;
  };
  weft::await(yields());
  weft::spawn(yields).get();
  weft::this_fiber::sleep_for(1ms);  // and the fiber that awaited parks again
}

TEST_CASE("in_fiber runs blocking code for a coroutine and hands over what it returns or throws") {
  weft::testing::virtual_clock clock;
  const auto body = []() -> task<int> {
    const int a = co_await weft::in_fiber([] {
      weft::this_fiber::sleep_for(5ms);
      return 40;
    });
    co_await weft::in_fiber([] {});
    try {
      co_await weft::in_fiber([] { throw std::runtime_error("from the fiber"); });
    } catch (const std::runtime_error&) {
      co_return a + 2;
    }
    co_return 0;
  };
  CHECK(weft::await(body()) == 42);
  CHECK(weft::spawn(body).get() == 42);
  CHECK(clock.elapsed() == 10ms);
}

TEST_CASE("a fiber awaits a task that awaits a fiber that awaits a task") {
  const auto innermost = []() -> task<int> {
    co_await async::sleep_for(1ms);
    co_return 1;
  };
  const auto middle = [&]() -> task<int> {
    const int got = co_await weft::spawn([&] { return weft::await(innermost()) + 1; });
    co_return got + co_await weft::in_fiber([&] { return weft::await(innermost()); });
  };
  CHECK(weft::await(middle()) == 3);
  CHECK(weft::spawn([&] { return weft::await(middle()); }).get() == 3);
}

TEST_CASE("a task that a fiber awaits is the fiber: its name, its locals, the locks that it owns") {
  weft::fiber_local<int> local(1);
  weft::mutex m;
  auto f = weft::spawn({.name = "host"}, [&] {
    local.set(7);
    m.lock();
    weft::await([&]() -> task<> {
      CHECK(weft::this_fiber::current().name() == "host");
      CHECK(*local == 7);
      co_await async::yield();
      m.unlock();
    }());
  });
  f.get();
  CHECK_FALSE(m.is_locked());
  weft::spawn([&]() -> task<> {
    CHECK(*local == 1);
    local.set(9);
    co_await async::yield();
    CHECK(*local == 9);
  }).get();
}

TEST_CASE("an empty task, one of another hub, and a task that awaits itself are errors, not hangs") {
  CHECK_THROWS_AS(weft::await(task<int>()), weft::no_fiber);
  CHECK_THROWS_AS(weft::spawn(task<int>()), weft::no_fiber);
  weft::await([]() -> task<> {
    task<int> none;
    CHECK_THROWS_AS(co_await std::move(none), weft::no_fiber);
  }());
  weft::any_fiber self;
  self = weft::spawn([&]() -> task<> {
    bool refused = false;
    try {
      co_await self;
    } catch (const weft::self_join&) {
      refused = true;
    }
    CHECK(refused);
  });
  self.join();
  weft::event here;
  bool refused = false;
  std::thread([&] {
    weft::await([&]() -> task<> {
      try {
        co_await here;
      } catch (const weft::wrong_hub&) {
        refused = true;
      }
    }());
  }).join();
  CHECK(refused);
}

TEST_CASE("a frame may be given back on another thread than the one that made it") {
  for (int round = 0; round < 3; ++round) {
    task<int> made = half(4);
    std::vector<task<int>> many;
    for (int i = 0; i < 200; ++i) many.push_back(half(i));
    int got = 0;
    std::thread([t = std::move(made), others = std::move(many), &got]() mutable {
      got = weft::await(std::move(t));
      others.clear();
      std::vector<task<int>> own;
      for (int i = 0; i < 200; ++i) own.push_back(half(i));
    }).join();
    CHECK(got == 2);
  }
}

TEST_CASE("print_run_info shows the chain of awaits of a task, and of a fiber that awaits one") {
  const auto leaf = []() -> task<> { co_await async::sleep_for(1h); };
  const auto root = [&]() -> task<> { co_await leaf(); };
  auto t = weft::spawn({.name = "chained"}, root);
  auto f = weft::spawn({.name = "awaiting"}, [&] { weft::await(root()); });
  weft::testing::wait_all_blocked();
  const std::string text = weft::run_info();
  const auto task_at = text.find("\"chained\": parked in sleep");
  const auto fiber_at = text.find("\"awaiting\": parked in sleep");
  REQUIRE(task_at != text.npos);
  REQUIRE(fiber_at != text.npos);
  CHECK(text.rfind("task ", task_at) != text.npos);
  for (const auto at : {task_at, fiber_at}) {
    CHECK(text.find("await #0 in operator(), line", at) != text.npos);
    CHECK(text.find("await #1 in operator(), line", at) != text.npos);
  }
  weft::killall(std::vector<weft::any_fiber>{t, f});
}

TEST_CASE("what is left of tasks at the end of a thread's hub is cancelled and over") {
  counted::alive = 0;
  std::thread([] {
    weft::spawn([c = counted(1)]() -> task<> { co_await async::sleep_for(1h); });
    weft::spawn(holds(counted(2)));
    weft::this_fiber::yield();
    weft::spawn(holds(counted(3)));  // it has not begun
  }).join();
  CHECK(counted::alive == 0);
}
