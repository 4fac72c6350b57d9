// Weft's fibers, by the public API.
#include "work.hpp"

#include <weft/weft.hpp>

namespace {

void switch_turns(benchmark::State& state) {
  bool stop = false;
  auto timed = weft::spawn([&] {
    while (state.KeepRunningBatch(ops_per_batch))
      for (int i = 0; i < ops_per_batch; i += 2) weft::this_fiber::yield();
    stop = true;
  });
  auto partner = weft::spawn([&] {
    while (!stop) weft::this_fiber::yield();
  });
  timed.join();
  partner.join();
}

void spawn(benchmark::State& state) {
  std::int64_t ran = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) weft::spawn([&] { ++ran; }).join();
  if (ran < state.iterations()) state.SkipWithError("a fiber did not run");
}

void queue(benchmark::State& state) {
  weft::queue<int> there(1), back(1);
  auto echo = weft::spawn([&] {
    for (int n : there) back.put(n + 1);
  });
  int n = 0;
  weft::spawn([&] {
    while (state.KeepRunningBatch(ops_per_batch))
      for (int i = 0; i < ops_per_batch; ++i) {
        there.put(n);
        n = back.get();
      }
  }).join();
  there.close();
  echo.join();
  if (n != static_cast<int>(state.iterations())) state.SkipWithError("a value was lost");
}

[[gnu::noinline]] int descend(int levels, bool wait) {
  if (levels == 1) {
    if (wait) weft::this_fiber::yield();
    return 1;
  }
  const int below = descend(levels - 1, wait);
  benchmark::ClobberMemory();  // no tail call
  return below + 1;
}

[[gnu::noinline]] void yield_for_ever(int levels, benchmark::State& state) {
  if (levels > 1) {
    yield_for_ever(levels - 1, state);
    benchmark::ClobberMemory();
    return;
  }
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) weft::this_fiber::yield();
}

// Only the leaf is resumed, over and over: two of them take turns.
void leaf(benchmark::State& state) {
  bool stop = false;
  auto timed = weft::spawn([&] {
    yield_for_ever(static_cast<int>(state.range(0)), state);
    stop = true;
  });
  auto partner = weft::spawn([&] {
    while (!stop) weft::this_fiber::yield();
  });
  timed.join();
  partner.join();
}

void call(benchmark::State& state) {
  const int levels = static_cast<int>(state.range(0));
  std::int64_t left = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) left += descend(levels, false);
  if (left != levels * state.iterations()) state.SkipWithError("a level was left out");
}

}  // namespace

BENCHMARK(switch_turns)->Name("fiber/switch");
BENCHMARK(spawn)->Name("fiber/spawn");
BENCHMARK(queue)->Name("fiber/queue");
BENCHMARK(leaf)->Name("fiber/leaf")->Arg(shallow)->Arg(deep);
BENCHMARK(call)->Name("fiber/call")->Arg(shallow)->Arg(deep);
