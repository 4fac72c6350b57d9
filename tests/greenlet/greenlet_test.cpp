// What weft::greenlet promises, most of it as Python's greenlet package has it: switches with values, parents, exceptions, exit, dead
// ones, tracing; without a hub as well as inside fibers that wait, with timeouts around them.
#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/greenlet.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;
using weft::greenlet;
using weft::greenlet_value;

namespace {

struct at_end {
  bool& flag;
  ~at_end() { flag = true; }
};

}  // namespace

TEST_CASE("two greenlets switch to each other, and values travel both ways") {
  std::string log;
  greenlet a, b;
  a = greenlet([&] {
    log += "a1 ";
    const int got = b.switch_to(1).as<int>();
    log += "a2:" + std::to_string(got) + " ";
  });
  b = greenlet([&](greenlet_value first) {
    log += "b1:" + std::to_string(first.as<int>()) + " ";
    a.switch_to(2);
    log += "never ";
  });
  CHECK_FALSE(a.started());
  CHECK(a.switch_to().empty());
  CHECK(log == "a1 b1:1 a2:2 ");
  CHECK(a.dead());
  CHECK(b.active());
  CHECK_FALSE(b.dead());
}

TEST_CASE("values of every kind: small, large, only movable, none; another type is an error") {
  greenlet echo([main = greenlet::current()](greenlet_value v) {
    for (;;) v = main.switch_to(std::move(v));
  });
  CHECK(echo.switch_to(1.5).as<double>() == 1.5);
  CHECK(echo.switch_to(std::string(100, 'x')).take<std::string>().size() == 100);
  CHECK(*echo.switch_to(std::make_unique<int>(7)).take<std::unique_ptr<int>>() == 7);
  CHECK(echo.switch_to().empty());
  greenlet_value v = echo.switch_to(std::vector{1, 2, 3});
  CHECK(v.has<std::vector<int>>());
  CHECK_FALSE(v.has<int>());
  CHECK_THROWS_WITH_AS(v.as<int>(), "a value of type int was asked for, but one of type std::vector<int, std::allocator<int> > was sent",
                       weft::greenlet_error);
  CHECK_THROWS_AS(echo.switch_to().as<int>(), weft::greenlet_error);
}

TEST_CASE("what it returns goes to its parent, and a switch to a dead one too") {
  greenlet g([] { return 5; });
  CHECK(g.parent() == greenlet::current());
  CHECK(g.switch_to().as<int>() == 5);
  CHECK(g.dead());
  CHECK(g.switch_to(6).as<int>() == 6);

  greenlet child, parent([&](greenlet_value) {
    child.set_parent(greenlet::current());
    const int from_child = child.switch_to().as<int>();
    return from_child + 1;
  });
  child = greenlet([] { return 10; });
  CHECK(parent.switch_to().as<int>() == 11);
  CHECK(child.parent() == parent);
  CHECK(child.switch_to(3).as<int>() == 3);  // both are dead: the value comes back to the root
}

TEST_CASE("a parent that has not begun begins with what its child returns") {
  greenlet parent([](greenlet_value v) { return v.as<int>() * 2; });
  greenlet child([] { return 21; }, parent);
  CHECK(child.switch_to().as<int>() == 42);
  CHECK(parent.dead());
}

TEST_CASE("exceptions travel to the parent, and on from there") {
  greenlet inner([] { throw std::runtime_error("inner"); });
  CHECK_THROWS_WITH(inner.switch_to(), "inner");
  CHECK(inner.dead());
  std::string log;
  greenlet outer([&] {
    greenlet g([] { throw std::runtime_error("deep"); });
    try {
      g.switch_to();
    } catch (const std::exception& e) {
      log = e.what();
      throw std::logic_error("from outer");
    }
  });
  CHECK_THROWS_WITH(outer.switch_to(), "from outer");
  CHECK(log == "deep");
}

TEST_CASE("throw_in: into a suspended one, past one that has not begun, past dead ones") {
  std::string log;
  greenlet g([&, main = greenlet::current()] {
    try {
      main.switch_to(1);
    } catch (const std::exception& e) {
      log = e.what();
    }
    return 2;
  });
  CHECK(g.switch_to().as<int>() == 1);
  CHECK(g.throw_in(std::make_exception_ptr(std::runtime_error("hello"))).as<int>() == 2);
  CHECK(log == "hello");
  CHECK_THROWS_WITH(g.throw_in(std::make_exception_ptr(std::runtime_error("late"))), "late");
  bool ran = false;
  greenlet unborn([&] { ran = true; });
  CHECK_THROWS_WITH(unborn.throw_in(std::make_exception_ptr(std::runtime_error("early"))), "early");
  CHECK(unborn.dead());
  CHECK_FALSE(ran);
}

TEST_CASE("greenlet_exit ends a greenlet and is no failure; its destructors run") {
  bool unwound = false;
  greenlet g([&, main = greenlet::current()] {
    at_end m{unwound};
    main.switch_to();
  });
  g.switch_to();
  CHECK(g.kill().empty());
  CHECK(g.dead());
  CHECK(unwound);
  CHECK(g.kill().empty());
  greenlet unborn([] {});
  CHECK(unborn.kill().empty());
  CHECK(unborn.dead());
}

TEST_CASE("a destructor that switches away while its greenlet is ended is switched back to") {
  int steps = 0;
  struct mark {
    int& count;
    greenlet to;
    ~mark() {
      ++count;
      to.switch_to();
      ++count;
    }
  };
  {
    greenlet g([&, main = greenlet::current()] {
      mark m{steps, main};
      main.switch_to();
    });
    g.switch_to();
    CHECK(steps == 0);
  }
  CHECK(steps == 2);
}

TEST_CASE("an exception that is thrown into one that has not begun goes to its parent, which may wait for it") {
  const auto e = std::make_exception_ptr(std::out_of_range("thrown in"));
  const auto waits = [main = greenlet::current()]() -> std::string {
    try {
      main.switch_to();
    } catch (const std::out_of_range&) {
      return "caught";
    }
    return "not";
  };
  greenlet waiting(waits), unbegun([] {}, waiting);
  waiting.switch_to();
  CHECK(unbegun.throw_in(e).as<std::string>() == "caught");
  CHECK(unbegun.dead());
  CHECK(waiting.dead());
  greenlet never(waits), child([] {}, never);
  CHECK_THROWS_AS(child.throw_in(e), std::out_of_range);
  CHECK(never.dead());
}

TEST_CASE("a suspended greenlet without handles ends at once") {
  bool unwound = false;
  {
    greenlet g([&, main = greenlet::current()] {
      at_end m{unwound};
      main.switch_to(1);
    });
    CHECK(g.switch_to().as<int>() == 1);
    CHECK_FALSE(unwound);
  }
  CHECK(unwound);
  // One that drops its own last handle ends when it switches away.
  unwound = false;
  auto held = std::make_unique<greenlet>();
  *held = greenlet([&, main = greenlet::current()] {
    at_end m{unwound};
    held.reset();
    main.switch_to(2);
  });
  greenlet_value v = held->switch_to();
  CHECK(v.as<int>() == 2);
  CHECK(unwound);
}

TEST_CASE("parents cannot form a cycle, and the root has none") {
  greenlet a([] {}), b([] {}, a);
  CHECK_THROWS_AS(a.set_parent(b), weft::greenlet_error);
  CHECK_THROWS_AS(a.set_parent(a), weft::greenlet_error);
  CHECK_THROWS_AS(greenlet::current().set_parent(a), weft::greenlet_error);
  CHECK_FALSE(greenlet::current().parent());
  CHECK_THROWS_AS(greenlet().switch_to(), weft::greenlet_error);
  CHECK(greenlet::current().switch_to(3).as<int>() == 3);
}

TEST_CASE("exceptions in flight and errno belong to each greenlet") {
  greenlet main = greenlet::current();
  greenlet g([&] {
    errno = 5;
    try {
      throw std::runtime_error("g's own");
    } catch (...) {
      main.switch_to();
      CHECK(errno == 5);
      try {
        throw;
      } catch (const std::exception& e) {
        CHECK(std::string(e.what()) == "g's own");
      }
    }
  });
  errno = 7;
  try {
    throw std::runtime_error("main's");
  } catch (...) {
    g.switch_to();
    CHECK(errno == 7);
    CHECK(std::uncaught_exceptions() == 0);
    try {
      throw std::logic_error("another");
    } catch (...) {
      g.switch_to();
    }
    try {
      throw;
    } catch (const std::exception& e) {
      CHECK(std::string(e.what()) == "main's");
    }
  }
  CHECK(g.dead());
}

TEST_CASE("the trace hook hears of every switch and throw, and is dropped when it fails") {
  std::vector<std::string> log;
  greenlet main = greenlet::current(), g([&] {
    main.switch_to();
    main.switch_to();
  });
  const auto name = [&](const greenlet& x) { return x == main ? "main" : "g"; };
  auto before = greenlet::set_trace([&](weft::greenlet_event e, const greenlet& from, const greenlet& to) {
    log.push_back(std::string(e == weft::greenlet_event::thrown ? "throw " : "switch ") + name(from) + " -> " + name(to));
  });
  CHECK_FALSE(before);
  g.switch_to();
  g.switch_to();
  g.kill();
  greenlet::set_trace({});
  CHECK(log == std::vector<std::string>{"switch main -> g", "switch g -> main", "switch main -> g", "switch g -> main",
                                        "throw main -> g", "switch g -> main"});
  greenlet::set_trace([](auto...) { throw std::runtime_error("trace"); });
  greenlet h([] { return 1; });
  CHECK_THROWS_WITH(h.switch_to(), "trace");
  CHECK_FALSE(greenlet::set_trace({}));
}

TEST_CASE("greenlets of another thread or fiber are refused") {
  greenlet g([] {});
  std::thread([&] { CHECK_THROWS_AS(g.switch_to(), weft::greenlet_error); }).join();
  weft::spawn([&] {
    CHECK_THROWS_AS(g.switch_to(), weft::greenlet_error);
    greenlet own([] { return 3; });
    CHECK(own.switch_to().as<int>() == 3);
  }).get();
  greenlet left;
  weft::spawn([&] { left = greenlet([] {}); }).get();
  CHECK_THROWS_WITH_AS(left.switch_to(), "the greenlet's fiber or thread is over", weft::greenlet_error);
}

TEST_CASE("a thread without a hub has greenlets, and ends those that it leaves behind") {
  bool unwound = false;
  std::unique_ptr<greenlet> kept;
  std::thread([&] {
    kept = std::make_unique<greenlet>([&, main = greenlet::current()] {
      at_end m{unwound};
      main.switch_to(4);
    });
    CHECK(kept->switch_to().as<int>() == 4);
    CHECK(weft::detail::try_hub() == nullptr);
  }).join();
  CHECK(unwound);
  CHECK(kept->dead());
}

TEST_CASE("waiting in a greenlet parks its fiber; other fibers run") {
  weft::testing::virtual_clock clock;
  std::string log;
  auto f = weft::spawn([&] {
    greenlet g([&] {
      log += "g";
      weft::this_fiber::sleep_for(2s);
      log += "h";
      return 1;
    });
    log += std::to_string(g.switch_to().as<int>());
  });
  auto other = weft::spawn([&] {
    weft::this_fiber::sleep_for(1s);
    log += "o";
  });
  f.get();
  CHECK(log == "goh1");
  CHECK(clock.elapsed() == 2s);
}

TEST_CASE("a timeout around a switch cuts off what the greenlet waits for, and only then") {
  weft::testing::virtual_clock clock;
  int caught = 0;
  greenlet main = greenlet::current();
  greenlet g([&] {
    for (;;) {
      try {
        weft::this_fiber::sleep_for(10s);
      } catch (const weft::cancelled&) {
        ++caught;
        throw;
      }
      main.switch_to();
    }
  });
  CHECK(weft::move_on_after(20s, [&] { g.switch_to(); }));
  CHECK_FALSE(weft::move_on_after(5s, [&] { g.switch_to(); }));
  CHECK(caught == 1);
  CHECK(g.dead());
  CHECK(clock.elapsed() == 15s);
}

TEST_CASE("a timeout inside a greenlet does not reach the greenlet that it switches to") {
  weft::testing::virtual_clock clock;
  greenlet main = greenlet::current();
  bool cut = false;
  greenlet g([&] {
    cut = !weft::move_on_after(5s, [&] {
      main.switch_to();
      weft::this_fiber::sleep_for(1h);
    });
  });
  g.switch_to();
  weft::this_fiber::sleep_for(10s);  // g's timeout passes meanwhile
  CHECK(weft::move_on_after(1h, [] { weft::this_fiber::sleep_for(1s); }));
  g.switch_to();
  CHECK(cut);
  CHECK(clock.elapsed() == 11s);
}

TEST_CASE("cancelling a fiber unwinds its greenlets") {
  weft::testing::virtual_clock clock;
  int unwound = 0;
  struct mark {
    int& count;
    ~mark() { ++count; }
  };
  auto f = weft::spawn([&] {
    mark outer{unwound};
    greenlet idle([&, root = greenlet::current()] {
      mark m{unwound};
      root.switch_to();
    });
    idle.switch_to();
    greenlet g([&] {
      mark m{unwound};
      weft::this_fiber::sleep_for(1h);
    });
    g.switch_to();
  });
  weft::this_fiber::yield();
  f.kill();
  CHECK(f.was_cancelled());
  CHECK(unwound == 3);
}

TEST_CASE("many greenlets, deep chains of parents") {
  std::vector<greenlet> all;
  long sum = 0;
  for (int i = 0; i < 2000; ++i) all.emplace_back([&, i, root = greenlet::current()] {
    sum += i;
    root.switch_to();
    sum += i;
  });
  for (int round = 0; round < 2; ++round)
    for (const greenlet& g : all) g.switch_to();
  CHECK(sum == 2000L * 1999);
  for (const greenlet& g : all) CHECK(g.dead());

  struct deep {
    static int down(int n) {
      if (n == 0) throw std::runtime_error("bottom");
      greenlet g([n] { return down(n - 1); }, {.stack_size = 32 * 1024});
      return g.switch_to().as<int>();
    }
  };
  CHECK_THROWS_WITH(deep::down(500), "bottom");
}
