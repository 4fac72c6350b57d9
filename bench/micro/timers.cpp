// What 100,000 timers cost beyond the 100,000 fibers that wait for them. Each mode runs in a process
// of its own, so that both pay for touching their stacks the first time.
//   timers sleep   every fiber sleeps a random time up to a second
//   timers event   the same fibers wait for one event instead, set when all are parked
// Prints one line of JSON. "early" counts sleeps that ended before their time: it must be 0.
#include <weft/weft.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr long fibers = 100'000;

double process_cpu_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + double(now.tv_nsec) / 1e9;
}

// A fixed sequence (splitmix64): each run sleeps the same times, and drawing one costs a nanosecond.
std::uint64_t next_random() {
  static std::uint64_t state = 42;
  std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

struct tally {
  long ended = 0;
  long checked = 0;
  long early = 0;
  clock_type::duration latest{};
};

// One fiber in 64 looks at the clock, so that checking is not part of the price.
void sleep_once(tally& counts, long index) {
  const auto length = std::chrono::nanoseconds(next_random() % 1'000'000'000);
  if (index % 64 != 0) {
    weft::this_fiber::sleep_for(length);
  } else {
    const auto due = clock_type::now() + length;
    weft::this_fiber::sleep_for(length);
    const auto late = clock_type::now() - due;
    ++counts.checked;
    counts.early += late < clock_type::duration::zero();
    counts.latest = std::max(counts.latest, late);
  }
  ++counts.ended;
}

void run_sleepers(tally& counts) {
  for (long i = 0; i < fibers; ++i)
    weft::spawn([&counts, i] { sleep_once(counts, i); });
  while (counts.ended < fibers)
    weft::this_fiber::sleep_for(std::chrono::milliseconds(10));
}

void run_waiters(tally& counts) {
  weft::event wake;
  long parked = 0;
  for (long i = 0; i < fibers; ++i)
    weft::spawn([&] {
      ++parked;
      wake.wait();
      ++counts.ended;
    });
  while (parked < fibers)
    weft::this_fiber::yield();
  wake.set();
  while (counts.ended < fibers)
    weft::this_fiber::yield();
}

}  // namespace

int main(int argc, char** argv) {
  const bool sleepers = argc == 2 && std::strcmp(argv[1], "sleep") == 0;
  if (!sleepers && !(argc == 2 && std::strcmp(argv[1], "event") == 0)) {
    std::fprintf(stderr, "usage: timers sleep|event\n");
    return 2;
  }
  tally counts;
  const double before = process_cpu_seconds();
  if (sleepers)
    run_sleepers(counts);
  else
    run_waiters(counts);
  const double cpu = process_cpu_seconds() - before;
  std::printf(
      "{\"mode\": \"%s\", \"fibers\": %ld, \"cpu_s\": %.6f, \"checked\": %ld, \"early\": %ld, "
      "\"latest_ms\": %.3f}\n",
      argv[1], counts.ended, cpu, counts.checked, counts.early, std::chrono::duration<double, std::milli>(counts.latest).count());
  return counts.early == 0 ? 0 : 1;
}
