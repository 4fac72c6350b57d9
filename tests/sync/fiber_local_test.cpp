// What weft::fiber_local promises: a value per fiber, made when asked for, destroyed in its fiber.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/fiber_local.hpp>

namespace {

weft::fiber_local<int> global(5);

// Tells in which fiber and in which order values are destroyed.
struct witness {
  int number;
  std::vector<std::pair<int, const void*>>* deaths;
  witness(int n, std::vector<std::pair<int, const void*>>* d) : number(n), deaths(d) {}
  witness(const witness&) = delete;
  ~witness() { deaths->emplace_back(number, weft::this_fiber::current().id()); }
};

}  // namespace

TEST_CASE("every fiber has a value of its own, main too") {
  *global = 10;
  std::vector<weft::fiber<int>> fibers;
  for (int i = 0; i < 3; ++i)
    fibers.push_back(weft::spawn([i] {
      CHECK_FALSE(global.has_value());
      CHECK(*global == 5);
      *global += i;
      weft::this_fiber::yield();
      return *global;
    }));
  for (int i = 0; i < 3; ++i) CHECK(fibers[static_cast<std::size_t>(i)].get() == 5 + i);
  CHECK(*global == 10);
  global.reset();
  CHECK_FALSE(global.has_value());
  CHECK(*global == 5);
}

TEST_CASE("values are destroyed in their fiber when it ends, the last made first, also by failure and cancellation") {
  std::vector<std::pair<int, const void*>> deaths;
  weft::fiber_local<std::unique_ptr<witness>> a, b;
  int end = 0;
  SUBCASE("return") { end = 0; }
  SUBCASE("exception") { end = 1; }
  SUBCASE("cancellation") { end = 2; }
  auto f = weft::spawn([&] {
    a.set(std::make_unique<witness>(1, &deaths));
    b.set(std::make_unique<witness>(2, &deaths));
    if (end == 1) throw std::runtime_error("failed");
    while (end == 2) weft::this_fiber::yield();
  });
  weft::this_fiber::yield();
  if (end == 2) f.cancel();
  f.join();
  CHECK((f.exception() != nullptr) == (end == 1));
  CHECK(deaths == std::vector<std::pair<int, const void*>>{{2, f.id()}, {1, f.id()}});
}

TEST_CASE("a value may outlive its variable") {
  std::vector<std::pair<int, const void*>> deaths;
  auto variable = std::make_unique<weft::fiber_local<std::unique_ptr<witness>>>();
  auto f = weft::spawn([&] {
    variable->set(std::make_unique<witness>(1, &deaths));
    weft::this_fiber::yield();
  });
  weft::this_fiber::yield();
  variable.reset();
  CHECK(deaths.empty());
  f.join();
  CHECK(deaths.size() == 1);
}

TEST_CASE("a destructor may use other variables of its fiber, even make their values anew") {
  static std::string seen;
  static weft::fiber_local<std::string> text([] { return std::string("fresh"); });
  struct reader {
    ~reader() { seen = *text; }
  };
  static weft::fiber_local<std::unique_ptr<reader>> uses;
  weft::spawn([] {
    uses.set(std::make_unique<reader>());
    *text = "old";  // made later, so gone before `uses`
  }).join();
  CHECK(seen == "fresh");
}

TEST_CASE("a value that cannot be made is made at the next try") {
  int tries = 0;
  weft::fiber_local<int> v([&] { return ++tries == 1 ? throw std::runtime_error("first") : 7; });
  CHECK_THROWS(v.get());
  CHECK_FALSE(v.has_value());
  CHECK(v.get() == 7);
}

TEST_CASE("one variable serves the fibers of every OS thread") {
  *global = 1;
  std::thread([] {
    CHECK_FALSE(global.has_value());
    CHECK(*global == 5);
    *global = 2;
    weft::spawn([] { CHECK(*global == 5); }).join();
  }).join();
  CHECK(*global == 1);
}
