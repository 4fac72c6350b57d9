// spawn and what becomes of arguments and results.
#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;

namespace {

struct counted {
  static inline int alive = 0;
  int value;
  explicit counted(int v = 0) : value(v) { ++alive; }
  counted(const counted& o) : value(o.value) { ++alive; }
  counted(counted&& o) noexcept : value(std::exchange(o.value, -1)) { ++alive; }
  counted& operator=(const counted&) = default;
  ~counted() { --alive; }
};

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(const throws_when_copied&) { throw std::runtime_error("no copies"); }
};

int free_function(int a, int b) { return a * 10 + b; }

struct with_member {
  int base;
  int add(int n) const { return base + n; }
};

}  // namespace

TEST_CASE("a spawned fiber runs when the caller parks, not before") {
  bool ran = false;
  auto f = weft::spawn([&] { ran = true; });
  CHECK_FALSE(ran);
  CHECK_FALSE(f.done());
  f.join();
  CHECK(ran);
  CHECK(f.done());
}

TEST_CASE("arguments are copied: what the caller changes afterwards is not seen") {
  std::string text = "before";
  auto f = weft::spawn([](std::string s) { return s; }, text);
  text = "after";
  CHECK(f.get() == "before");
}

TEST_CASE("move-only arguments and functions are moved in") {
  auto f = weft::spawn([](std::unique_ptr<int> p) { return *p; }, std::make_unique<int>(5));
  CHECK(f.get() == 5);
  auto g = weft::spawn([p = std::make_unique<int>(6)] { return *p; });
  CHECK(g.get() == 6);
}

TEST_CASE("std::ref shares an argument with the fiber") {
  int n = 1;
  weft::spawn([](int& shared) { shared = 2; }, std::ref(n)).join();
  CHECK(n == 2);
}

TEST_CASE("functions, members and arguments of several types can be spawned") {
  CHECK(weft::spawn(free_function, 4, 2).get() == 42);
  CHECK(weft::spawn(&free_function, 4, 3).get() == 43);
  const with_member m{40};
  CHECK(weft::spawn(&with_member::add, m, 4).get() == 44);
  CHECK(weft::spawn({.name = "named"}, free_function, 4, 5).get() == 45);
}

TEST_CASE("values, references, void and move-only results come back") {
  CHECK(weft::spawn([] { return std::string("value"); }).get() == "value");
  int n = 0;
  int& r = weft::spawn([&]() -> int& { return n; }).get();
  CHECK(&r == &n);
  weft::spawn([] {}).get();
  CHECK(*weft::spawn([] { return std::make_unique<int>(7); }).get() == 7);
}

TEST_CASE("a second get of a value throws result_taken; void may be asked again") {
  auto f = weft::spawn([] { return std::string("once"); });
  CHECK(f.get() == "once");
  CHECK_THROWS_AS(f.get(), weft::result_taken);
  auto copy = f;
  CHECK_THROWS_AS(copy.get(), weft::result_taken);
  auto v = weft::spawn([] {});
  v.get();
  v.get();
}

TEST_CASE("what a fiber throws is rethrown by every get") {
  auto f = weft::spawn([]() -> int { throw std::runtime_error("from inside"); });
  CHECK_THROWS_WITH_AS(f.get(), "from inside", std::runtime_error);
  CHECK_THROWS_WITH_AS(f.get(), "from inside", std::runtime_error);
}

TEST_CASE("an empty handle names no fiber and says so") {
  weft::fiber<int> none;
  CHECK_FALSE(static_cast<bool>(none));
  CHECK_FALSE(none.done());
  CHECK(none.name().empty());
  CHECK_THROWS_AS(none.get(), weft::no_fiber);
  CHECK_THROWS_AS(none.join(), weft::no_fiber);
  CHECK_THROWS_AS(none.cancel(), weft::no_fiber);
  CHECK_THROWS_AS(none.kill(), weft::no_fiber);
  CHECK_THROWS_AS(none.link([](weft::any_fiber) {}), weft::no_fiber);
  CHECK_THROWS_AS(none.throw_in(nullptr), weft::no_fiber);
  auto f = weft::spawn([] { return 1; });
  auto moved = std::move(f);
  CHECK_THROWS_AS(f.get(), weft::no_fiber);
  CHECK(moved.get() == 1);
}

TEST_CASE("handles are copyable, compare by fiber, and a dropped one lets the fiber run on") {
  bool ran = false;
  {
    auto f = weft::spawn([&] {
      weft::this_fiber::yield();
      ran = true;
    });
    auto g = f;
    weft::any_fiber h = g;
    CHECK(f == g);
    CHECK(h == f);
    CHECK(h.id() == f.id());
    CHECK(h != weft::this_fiber::current());
  }
  weft::testing::wait_all_blocked();
  CHECK(ran);
}

TEST_CASE("a fiber's captures die when it ends, its result with the last handle") {
  {
    auto f = weft::spawn([c = counted(3)](counted d) { return counted(c.value + d.value); }, counted(4));
    CHECK(counted::alive == 2);
    f.join();
    CHECK(counted::alive == 1);
    auto g = f;
    f = {};
    CHECK(counted::alive == 1);
    CHECK(g.get().value == 7);
    CHECK(counted::alive == 1);
  }
  CHECK(counted::alive == 0);
  weft::spawn([c = counted(1)] { return counted(2); });
  weft::testing::wait_all_blocked();
  CHECK(counted::alive == 0);
}

TEST_CASE("a copy that throws in spawn leaves nothing behind") {
  const std::size_t before = weft::this_hub().stats().fibers;
  throws_when_copied t;
  CHECK_THROWS_WITH(weft::spawn([](const throws_when_copied&) {}, t), "no copies");
  CHECK(weft::this_hub().stats().fibers == before);
}

TEST_CASE("names and stack sizes are taken from the options") {
  auto f = weft::spawn({.name = "a name that is copied", .stack_size = 1 << 20}, [] {
    // Half a megabyte of frames: not on the default stack.
    const auto deep = [](auto& self, int n) -> int {
      volatile char frame[4096];
      frame[n % 4096] = 1;
      return n == 0 ? frame[0] : self(self, n - 1) + frame[n % 4096];
    };
    return deep(deep, 150);
  });
  CHECK(f.name() == "a name that is copied");
  CHECK(f.get() == 151);
  CHECK(f.name() == "a name that is copied");
  CHECK(weft::this_fiber::current().name() == "main");
  CHECK(weft::spawn([] { return std::string(weft::this_fiber::current().name()); }).get().empty());
}

TEST_CASE("a capture larger than any free list's block works, again and again") {
  for (int round = 0; round < 3; ++round) {
    std::array<int, 5'000> big{};
    big[4'999] = round;
    CHECK(weft::spawn([big] { return big[4'999]; }).get() == round);
  }
}

TEST_CASE("fibers run in the order in which they were spawned") {
  std::vector<int> order;
  std::vector<weft::fiber<>> fibers;
  for (int i = 0; i < 50; ++i) fibers.push_back(weft::spawn([&order, i] { order.push_back(i); }));
  weft::joinall(fibers);
  for (int i = 0; i < 50; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("spawn_later starts after its time, and not at all when cancelled before") {
  weft::testing::virtual_clock clock;
  auto f = weft::spawn_later(10s, [](int a) { return a + 1; }, 41);
  bool ran = false;
  auto g = weft::spawn_later(5s, [&] { ran = true; });
  weft::this_fiber::sleep_for(4s);
  CHECK_FALSE(g.done());
  g.cancel();
  CHECK(f.get() == 42);
  CHECK(clock.elapsed() == 10s);
  CHECK_FALSE(ran);
  CHECK(g.was_cancelled());
}

TEST_CASE("a hundred thousand fibers are alive at once, and all end") {
#if defined(__SANITIZE_THREAD__)
  constexpr int many = 5'000;  // ThreadSanitizer knows at most 8,128 threads and fibers
#else
  constexpr int many = 100'000;
#endif
  const auto before = weft::this_hub().stats();
  int begun = 0, ended = 0;
  std::vector<weft::fiber<>> fibers;
  fibers.reserve(many);
  bool go = false;
  for (int i = 0; i < many; ++i)
    fibers.push_back(weft::spawn({.stack_size = 16 * 1024}, [&] {
      ++begun;
      while (!go) weft::this_fiber::sleep_for(24h);
      ++ended;
    }));
  weft::testing::wait_all_blocked();
  CHECK(begun == many);
  CHECK(ended == 0);
  const auto during = weft::this_hub().stats();
  CHECK(during.fibers - before.fibers == many);
  CHECK(during.timers - before.timers == many);
  CHECK(during.stacks - before.stacks == many);
  go = true;
  for (auto& f : fibers) f.cancel();
  weft::joinall(fibers);
  const auto after = weft::this_hub().stats();
  CHECK(after.fibers == before.fibers);
  CHECK(after.timers == before.timers);
  CHECK(after.stacks == before.stacks);
  CHECK(after.most_stacks >= many);
  CHECK(ended == 0);
  for (auto& f : fibers) CHECK(f.was_cancelled());
}
