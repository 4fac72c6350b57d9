// Weft's own figures: switch, spawn + join, hand-off by event, mutex. Relies on the public API only,
// so that it measures what a user gets. Every body checks that its work was really done.
#include <benchmark/benchmark.h>

#include <weft/weft.hpp>

#include <cstdint>

namespace {

constexpr int ops_per_batch = 1024;

// Both partners are spawned fibers and main only joins: each op is one switch.
void fiber_switch(benchmark::State& state) {
  bool stop = false;
  auto timed = weft::spawn([&] {
    while (state.KeepRunningBatch(ops_per_batch))
      for (int i = 0; i < ops_per_batch; i += 2)
        weft::this_fiber::yield();
    stop = true;
  });
  std::int64_t turns = 0;
  auto partner = weft::spawn([&] {
    while (!stop) {
      ++turns;
      weft::this_fiber::yield();
    }
  });
  timed.join();
  partner.join();
  if (turns < state.iterations() / 2) state.SkipWithError("the partner did not take its turns");
}

void fiber_spawn_join(benchmark::State& state) {
  std::int64_t ran = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i)
      weft::spawn([&] { ++ran; }).join();
  if (ran < state.iterations()) state.SkipWithError("a fiber did not run");
}

// One op is there and back: set the other's event, wait for the answer.
void event_hand_off(benchmark::State& state) {
  weft::event ping, pong;
  bool stop = false;
  std::int64_t answered = 0;
  auto partner = weft::spawn([&] {
    for (;;) {
      ping.wait();
      ping.clear();
      if (stop) return;
      ++answered;
      pong.set();
    }
  });
  auto timed = weft::spawn([&] {
    while (state.KeepRunningBatch(ops_per_batch))
      for (int i = 0; i < ops_per_batch; ++i) {
        ping.set();
        pong.wait();
        pong.clear();
      }
    stop = true;
    ping.set();
  });
  timed.join();
  partner.join();
  if (answered < state.iterations()) state.SkipWithError("a hand-off was not answered");
}

void fiber_mutex(benchmark::State& state) {
  weft::mutex mutex;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) {
      mutex.lock();
      benchmark::ClobberMemory();
      mutex.unlock();
    }
  mutex.lock();
  bool excluded = false;
  weft::spawn([&] { excluded = !mutex.try_lock(); }).join();
  mutex.unlock();
  if (!excluded) state.SkipWithError("the mutex does not exclude");
}

}  // namespace

BENCHMARK(fiber_switch)->Name("weft/switch");
BENCHMARK(fiber_spawn_join)->Name("weft/spawn_join");
BENCHMARK(event_hand_off)->Name("weft/hand_off");
BENCHMARK(fiber_mutex)->Name("weft/mutex");
