// What weft::async_result promises: one delivery, any number of readers, failures thrown to each.
#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <weft/async_result.hpp>
#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/hub.hpp>
#include <weft/testing.hpp>

using namespace std::chrono_literals;

TEST_CASE("every fiber that waits for an async_result gets the value") {
  weft::async_result<std::string> r;
  CHECK_FALSE(r.try_get());
  auto a = weft::spawn([&] { return r.get(); });
  auto b = weft::spawn([&] { return r.get(); });
  weft::this_fiber::yield();
  CHECK_FALSE(r.done());
  r.set_value(3, 'x');
  CHECK(r.done());
  CHECK(r.successful());
  CHECK(a.get() == "xxx");
  CHECK(b.get() == "xxx");
  CHECK(r.get() == "xxx");
  CHECK(*r.try_get() == "xxx");
}

TEST_CASE("a value that cannot be copied goes to the first who asks, others get result_taken") {
  weft::async_result<std::unique_ptr<int>> r;
  r.set_value(std::make_unique<int>(7));
  CHECK(*r.get() == 7);
  CHECK_THROWS_AS(r.get(), weft::result_taken);
}

TEST_CASE("a failure is thrown to every reader") {
  weft::async_result<int> r;
  auto waiting = weft::spawn([&] { return r.get(); });
  weft::this_fiber::yield();
  r.set_exception(std::runtime_error("no luck"));
  CHECK_THROWS_WITH_AS(waiting.get(), "no luck", std::runtime_error);
  CHECK_THROWS_WITH_AS(r.get(), "no luck", std::runtime_error);
  CHECK_THROWS_WITH_AS(r.try_get(), "no luck", std::runtime_error);
  CHECK(r.exception() != nullptr);
  CHECK_FALSE(r.successful());
  r.wait();  // waiting alone throws nothing
}

TEST_CASE("an async_result is delivered once") {
  weft::async_result<> r;
  r.set_value();
  CHECK_THROWS_AS(r.set_value(), std::future_error);
  CHECK_THROWS_AS(r.set_exception(1), std::future_error);
  r.get();
  CHECK(r.try_get());
}

TEST_CASE("a value that cannot be made has not been delivered") {
  struct picky {
    explicit picky(int i) {
      if (i < 0) throw std::domain_error("negative");
    }
  };
  weft::async_result<picky> r;
  CHECK_THROWS_AS(r.set_value(-1), std::domain_error);
  CHECK_FALSE(r.done());
  r.set_value(1);
  CHECK(r.successful());
}

TEST_CASE("get_for throws timeout_error at its deadline, wait_for says false") {
  weft::testing::virtual_clock clock;
  weft::async_result<int> r;
  CHECK_THROWS_AS(r.get_for(2s), weft::timeout_error);
  CHECK_FALSE(r.wait_for(1s));
  CHECK(clock.elapsed() == 3s);
  weft::async_result<> nothing;
  CHECK_THROWS_AS(nothing.get_for(1s), weft::timeout_error);
}

TEST_CASE("a cancelled reader leaves, the value still reaches the others") {
  weft::async_result<int> r;
  auto a = weft::spawn([&] { return r.get(); });
  auto b = weft::spawn([&] { return r.get(); });
  weft::this_fiber::yield();
  a.kill();
  r.set_value(5);
  CHECK(b.get() == 5);
  CHECK_THROWS_AS(a.get(), weft::fiber_cancelled);
}

TEST_CASE("joinall takes async_results and throws their first failure when asked to") {
  std::array<weft::async_result<int>, 2> results;
  auto f = weft::spawn([&] { results[1].set_exception(std::runtime_error("second")); });
  CHECK_THROWS_WITH(weft::joinall(results, {.raise_error = true}), "second");
  results[0].set_value(1);
  CHECK(weft::joinall(results) == 2);
  f.join();
}

TEST_CASE("another OS thread delivers through hub::post, and gets wrong_hub when it tries itself") {
  weft::async_result<int> r;
  weft::hub home = weft::this_hub();
  std::jthread other([&r, home] {
    CHECK_THROWS_AS(r.set_value(1), weft::wrong_hub);
    CHECK_THROWS_AS(r.get(), weft::wrong_hub);
    home.post([&r] { r.set_value(2); });
  });
  CHECK(r.get() == 2);
}
