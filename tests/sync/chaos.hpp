// For the tests under the shuffling scheduler: seeds, a small generator, fibers that are cancelled at random, waits with random limits.
//
// All choices come from the seed, so a failure is repeated by WEFT_TEST_SEED=n.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include <weft/cancel.hpp>
#include <weft/fiber.hpp>
#include <weft/testing.hpp>

namespace chaos {

using namespace std::chrono_literals;

// splitmix64
class dice {
public:
  explicit dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t n) {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (z ^ (z >> 31)) % n;
  }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

private:
  std::uint64_t state_;
};

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct world {
  explicit world(std::uint64_t seed) : roll(seed) {}
  weft::testing::virtual_clock clock;
  dice roll;
  std::vector<weft::fiber<>> fibers;

  // A short time; 0 now and then, and often the same for several fibers.
  std::chrono::nanoseconds moment() { return std::chrono::milliseconds(roll.below(4)); }

  // Sleeps or yields; somebody else's wake must not end the sleep.
  void nap() {
    if (roll.one_in(2)) {
      weft::this_fiber::yield();
      return;
    }
    const auto until = clock.elapsed() + 1ms * (1 + roll.below(3));
    weft::this_fiber::sleep_for(until - clock.elapsed());
    if (clock.elapsed() < until) FAIL("a sleep ended early: woken twice?");
  }

  // Runs fn, perhaps inside a timeout that cuts it off.
  template <class F>
  void limited(F fn) {
    if (roll.one_in(3))
      weft::move_on_after(moment(), fn);
    else
      fn();
  }

  template <class F>
  void start(F fn) {
    fibers.push_back(weft::spawn(fn));
  }

  // Cancels some of the fibers at random moments, then waits for all: whoever lost a wake-up makes this a deadlock.
  void finish() {
    for (auto& f : fibers)
      if (roll.one_in(6)) {
        nap();
        f.cancel();
      }
    join();
  }
  void join() {
    weft::joinall(fibers);
    for (auto& f : fibers)
      if (f.exception() != nullptr) std::rethrow_exception(f.exception());
    fibers.clear();
  }
};

// Calls scenario(world&) under each seed.
template <class F>
void under_all_seeds(F scenario) {
  const std::uint64_t only = number_from("WEFT_TEST_SEED", 0);
  const std::uint64_t last = only != 0 ? only : number_from("WEFT_TEST_SEEDS", 1000);
  std::uint64_t seed = only != 0 ? only : 1;
  for (; seed <= last; ++seed) {
    INFO("seed " << seed);
    weft::testing::shuffle(seed);
    try {
      world w(seed);
      scenario(w);
    } catch (...) {
      weft::testing::shuffle(0);
      throw;
    }
  }
  weft::testing::shuffle(0);
  CHECK(seed == last + 1);
}

}  // namespace chaos
