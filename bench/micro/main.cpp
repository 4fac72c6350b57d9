// The one binary of all micro-benchmarks: ratios are only taken between figures of the same run, and
// --benchmark_enable_random_interleaving mixes their repetitions. bench/run calls it; by hand:
//   micro --benchmark_enable_random_interleaving=true --benchmark_repetitions=9
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
