// Chains and loops of awaits take no stack, also where the compiler makes calls of what should be jumps from coroutine to coroutine:
// g++ does below -O2, and this file is built at -O1.
#include <doctest/doctest.h>

#include <stdexcept>

#include <weft/weft.hpp>

using weft::task;
namespace async = weft::async;

namespace {

constexpr long levels = 20'000;

task<long> plain(long n) { co_return n; }
task<long> down(long n) {
  if (n == 0) {
    co_await async::yield();
    co_return 0;
  }
  const long below = co_await down(n - 1);
  co_return below + 1;
}
task<long> throws_at(long n) {
  if (n == 0) throw std::runtime_error("at the bottom");
  const long below = co_await throws_at(n - 1);
  co_return below + 1;
}
task<long> loop(long n) {
  long sum = 0;
  for (long i = 0; i < n; ++i) sum += co_await plain(1);
  co_return sum;
}
weft::async_generator<long> numbers(long n) {
  for (long i = 0; i < n; ++i) co_yield long(i);
}
task<long> count(long n) {
  auto g = numbers(n);
  long all = 0;
  while (auto v = co_await g.next()) ++all;
  co_return all;
}
weft::generator<long> nested(long n) {
  if (n > 0)
    co_yield weft::from(nested(n - 1));
  else
    co_yield 1L;
}

}  // namespace

TEST_CASE("chains of twenty thousand awaits and loops of a million fit on a small stack") {
  CHECK(weft::spawn(down(levels)).get() == levels);
  CHECK(weft::spawn(loop(1'000'000)).get() == 1'000'000);
  CHECK(weft::spawn(count(100'000)).get() == 100'000);
  CHECK_THROWS_WITH(weft::spawn(throws_at(1000)).get(), "at the bottom");
  auto in_a_fiber = weft::spawn({.stack_size = 65536}, [] { return weft::await(loop(100'000)) + weft::await(down(levels)); });
  CHECK(in_a_fiber.get() == 100'000 + levels);
}

TEST_CASE("a generator that delegates ten thousand times fits on a small stack") {
  auto walked = weft::spawn([] {
    long all = 0;
    for (long v : nested(10'000)) all += v;
    return all;
  });
  CHECK(walked.get() == 1);
}
