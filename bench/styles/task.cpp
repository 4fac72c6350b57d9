// weft::task: the same as fiber.cpp beside it, by co_await.
#include "work.hpp"

#include <weft/weft.hpp>

namespace {

namespace async = weft::async;

weft::task<> take_turns(benchmark::State& state, bool& stop) {
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; i += 2) co_await async::yield();
  stop = true;
}

weft::task<> take_turns_until(const bool& stop) {
  while (!stop) co_await async::yield();
}

void switch_turns(benchmark::State& state) {
  bool stop = false;
  auto timed = weft::spawn(take_turns(state, stop));
  weft::spawn(take_turns_until(stop)).join();
  timed.join();
}

weft::task<> count(std::int64_t& ran) {
  ++ran;
  co_return;
}

void spawn_from_fiber(benchmark::State& state) {
  std::int64_t ran = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) weft::spawn(count(ran)).join();
  if (ran < state.iterations()) state.SkipWithError("a task did not run");
}

weft::task<> spawn_many(benchmark::State& state, std::int64_t& ran) {
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) co_await weft::spawn(count(ran));
}

void spawn(benchmark::State& state) {
  std::int64_t ran = 0;
  weft::spawn(spawn_many(state, ran)).join();
  if (ran < state.iterations()) state.SkipWithError("a task did not run");
}

weft::task<> echo(weft::queue<int>& there, weft::queue<int>& back) {
  for (;;) {
    const auto n = co_await async::next(there);
    if (!n) co_return;
    co_await async::put(back, *n + 1);
  }
}

weft::task<int> ask(benchmark::State& state, weft::queue<int>& there, weft::queue<int>& back) {
  int n = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) {
      co_await async::put(there, n);
      n = co_await async::get(back);
    }
  co_return n;
}

void queue(benchmark::State& state) {
  weft::queue<int> there(1), back(1);
  auto other = weft::spawn(echo(there, back));
  const int n = weft::spawn(ask(state, there, back)).get();
  there.close();
  other.join();
  if (n != static_cast<int>(state.iterations())) state.SkipWithError("a value was lost");
}

weft::task<> yield_for_ever(int levels, benchmark::State& state) {
  if (levels > 1) {
    co_await yield_for_ever(levels - 1, state);
    co_return;
  }
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) co_await async::yield();
}

weft::task<> stop_at_the_end(int levels, benchmark::State& state, bool& stop) {
  co_await yield_for_ever(levels, state);
  stop = true;
}

void leaf(benchmark::State& state) {
  bool stop = false;
  auto timed = weft::spawn(stop_at_the_end(static_cast<int>(state.range(0)), state, stop));
  weft::spawn(take_turns_until(stop)).join();
  timed.join();
}

weft::task<int> descend(int levels) {
  if (levels == 1) co_return 1;
  const int below = co_await descend(levels - 1);
  co_return below + 1;
}

weft::task<std::int64_t> call_many(benchmark::State& state, int levels) {
  std::int64_t left = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) {
      const int one = co_await descend(levels);
      left += one;
    }
  co_return left;
}

void call(benchmark::State& state) {
  const int levels = static_cast<int>(state.range(0));
  if (weft::await(call_many(state, levels)) != levels * state.iterations()) state.SkipWithError("a level was left out");
}

}  // namespace

BENCHMARK(switch_turns)->Name("task/switch");
BENCHMARK(spawn)->Name("task/spawn");
BENCHMARK(spawn_from_fiber)->Name("task/spawn from a fiber");
BENCHMARK(queue)->Name("task/queue");
BENCHMARK(leaf)->Name("task/leaf")->Arg(shallow)->Arg(deep);
BENCHMARK(call)->Name("task/call")->Arg(shallow)->Arg(deep);
