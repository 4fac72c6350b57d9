// Greenlets and stackful generators: one explicit switch, with and without a value. To be read beside fcontext/jump.
#include <benchmark/benchmark.h>

#include <weft/greenlet.hpp>

namespace {

constexpr int ops_per_batch = 1024;

void switch_plain(benchmark::State& state) {
  weft::greenlet other([root = weft::greenlet::current()] {
    for (;;) root.switch_to();
  });
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; i += 2) other.switch_to();  // there and back are two switches
}

void switch_with_value(benchmark::State& state) {
  weft::greenlet other([root = weft::greenlet::current()](weft::greenlet_value v) {
    for (;;) v = root.switch_to(v.as<int>() + 1);
  });
  int n = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; i += 2) n = other.switch_to(n).as<int>();
  benchmark::DoNotOptimize(n);
}

// A greenlet made, run to its end, given back.
void make_and_run(benchmark::State& state) {
  for (auto _ : state) weft::greenlet([] {}).switch_to();
}

}  // namespace

BENCHMARK(switch_plain)->Name("greenlet/switch");
BENCHMARK(switch_with_value)->Name("greenlet/switch with an int");
BENCHMARK(make_and_run)->Name("greenlet/make and run");
