// What every fiber has to itself although libc and the C++ run-time keep it per OS thread.
#include <doctest/doctest.h>

#include <cerrno>
#include <cfenv>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "weft/fiber.hpp"

TEST_CASE("errno belongs to the fiber: a new one begins with 0, a switch changes nothing") {
  errno = 77;
  auto a = weft::spawn([] {
    CHECK(errno == 0);
    errno = 1;
    weft::this_fiber::yield();
    CHECK(errno == 1);
  });
  auto b = weft::spawn([] {
    CHECK(errno == 0);
    errno = 2;
    weft::this_fiber::yield();
    CHECK(errno == 2);
  });
  a.join();
  b.join();
  CHECK(errno == 77);
}

TEST_CASE("two fibers suspended in catch blocks rethrow each their own exception") {
  std::vector<weft::fiber<std::string>> fibers;
  for (int i = 0; i < 10; ++i)
    fibers.push_back(weft::spawn([i]() -> std::string {
      try {
        try {
          throw std::runtime_error(std::to_string(i));
        } catch (...) {
          for (int n = 0; n < i % 3 + 1; ++n) weft::this_fiber::yield();
          CHECK(std::current_exception() != nullptr);
          throw;  // asks the run-time which one is being handled
        }
      } catch (const std::runtime_error& e) {
        return e.what();
      }
    }));
  for (int i = 0; i < 10; ++i) CHECK(fibers[static_cast<std::size_t>(i)].get() == std::to_string(i));
  CHECK(std::current_exception() == nullptr);
}

TEST_CASE("a fiber spawned in a catch block, or run while another unwinds, sees no exception of theirs") {
  struct in_destructor {
    ~in_destructor() {
      CHECK(std::uncaught_exceptions() == 1);
      auto f = weft::spawn([] {
        CHECK(std::uncaught_exceptions() == 0);
        CHECK(std::current_exception() == nullptr);
        weft::this_fiber::yield();
        CHECK(std::uncaught_exceptions() == 0);
      });
      f.join();  // parks while the exception is in flight
      CHECK(f.successful());
      CHECK(std::uncaught_exceptions() == 1);
    }
  };
  try {
    in_destructor d;
    throw 5;
  } catch (int n) {
    CHECK(n == 5);
    CHECK(std::uncaught_exceptions() == 0);
    auto f = weft::spawn([] { CHECK(std::current_exception() == nullptr); });
    f.join();
    CHECK(std::current_exception() != nullptr);
  }
  CHECK(std::current_exception() == nullptr);
}

TEST_CASE("an exception held by exception_ptr travels between fibers") {
  auto f = weft::spawn([] { throw std::runtime_error("travels"); });
  f.join();
  std::exception_ptr e = f.exception();
  f = {};
  auto g = weft::spawn([e] {
    weft::this_fiber::yield();
    std::rethrow_exception(e);
  });
  CHECK_THROWS_WITH(g.get(), "travels");
}

TEST_CASE("floating point rounding and values live across parks") {
  const auto work = [](double start) {
    double x = start;
    for (int i = 0; i < 20; ++i) {
      x = x * 1.5 + 0.25;
      weft::this_fiber::yield();
    }
    return x;
  };
  const auto expected = [](double start) {
    double x = start;
    for (int i = 0; i < 20; ++i) x = x * 1.5 + 0.25;
    return x;
  };
  auto a = weft::spawn(work, 1.0), b = weft::spawn(work, 2.0);
  CHECK(a.get() == expected(1.0));
  CHECK(b.get() == expected(2.0));
}

TEST_CASE("a rounding mode ends with its fiber: the next one on that stack begins as that one did") {
  int first = -1, next = -1;
  weft::spawn([&] {
    first = std::fegetround();
    std::fesetround(FE_UPWARD);
    weft::this_fiber::yield();
    CHECK(std::fegetround() == FE_UPWARD);
  }).join();
  weft::spawn([&] { next = std::fegetround(); }).join();
  CHECK(first == FE_TONEAREST);
  CHECK(next == FE_TONEAREST);
  CHECK(std::fegetround() == FE_TONEAREST);
}
