// Jobs that synchronise as programs do, played by fibers of one thread, or by fibers of two threads and native threads at once.
#pragma once

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/patch.hpp"

namespace everywhere_test {

using namespace std::chrono_literals;

// Patches once, and asserts at its end that fibers did park.
struct active {
  active() {
    static const weft::patch_result patched = weft::patch_all();
    REQUIRE(patched.sites_patched > 0);
    before = weft::this_hub().stats().parks;
  }
  ~active() { CHECK(weft::this_hub().stats().parks > before); }
  std::uint64_t before;
};

using job = std::function<void()>;

inline void in_fibers(std::vector<job> jobs) {
  std::vector<weft::fiber<>> fibers;
  for (auto& j : jobs) fibers.push_back(weft::spawn(std::move(j)));
  weft::joinall(fibers);
}

// A third of the jobs in fibers of this thread, a third in fibers of another, a third in native threads.
inline void everywhere(std::vector<job> jobs) {
  std::vector<job> here, there;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (i % 3 == 0) here.push_back(std::move(jobs[i]));
    else if (i % 3 == 1) there.push_back(std::move(jobs[i]));
    else threads.emplace_back(std::move(jobs[i]));
  }
  std::atomic<bool> done{false};
  threads.emplace_back([&] {
    in_fibers(std::move(there));
    done = true;
  });
  in_fibers(std::move(here));
  while (!done) weft::this_fiber::sleep_for(1ms);  // join() of a thread is another test's
  for (auto& t : threads) t.join();
}

inline timespec in_ms(clockid_t clock, long ms) {
  timespec t;
  ::clock_gettime(clock, &t);
  t.tv_nsec += ms * 1'000'000;
  t.tv_sec += t.tv_nsec / 1'000'000'000;
  t.tv_nsec %= 1'000'000'000;
  return t;
}

template <class F>
void for_both_casts(F f) {
  SUBCASE("fibers of one thread") { f(in_fibers); }
  SUBCASE("fibers of two threads, and native threads") { f(everywhere); }
}

}  // namespace everywhere_test
