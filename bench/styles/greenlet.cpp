// weft::greenlet: who runs next is said by hand, so there is no queue to wait at, and handing over a value is the switch itself.
#include "work.hpp"

#include <weft/greenlet.hpp>

namespace {

using weft::greenlet;
using weft::greenlet_value;

void switch_turns(benchmark::State& state) {
  greenlet other([root = greenlet::current()] {
    for (;;) root.switch_to();
  });
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; i += 2) other.switch_to();  // there and back are two switches
}

void spawn(benchmark::State& state) {
  std::int64_t ran = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) greenlet([&] { ++ran; }).switch_to();
  if (ran < state.iterations()) state.SkipWithError("a greenlet did not run");
}

void queue(benchmark::State& state) {
  greenlet other([root = greenlet::current()](greenlet_value v) {
    for (;;) v = root.switch_to(v.as<int>() + 1);
  });
  int n = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) n = other.switch_to(n).as<int>();
  if (n != static_cast<int>(state.iterations())) state.SkipWithError("a value was lost");
}

}  // namespace

BENCHMARK(switch_turns)->Name("greenlet/switch");
BENCHMARK(spawn)->Name("greenlet/spawn");
BENCHMARK(queue)->Name("greenlet/queue");
