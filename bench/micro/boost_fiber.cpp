// The peer the targets name: Boost.Fiber with its round-robin scheduler and pooled stacks, doing the
// same three things as weft.cpp beside it.
#include <benchmark/benchmark.h>

#include <boost/fiber/all.hpp>

#include <memory>

namespace {

namespace bf = boost::fibers;

constexpr int ops_per_batch = 1024;
constexpr std::size_t stack_size = 64 * 1024;

bf::pooled_fixedsize_stack& stacks() {
  static bf::pooled_fixedsize_stack pool{stack_size};
  return pool;
}

// Both partners are spawned fibers and main only joins, as in weft.cpp: each op is one switch.
void fiber_switch(benchmark::State& state) {
  bool stop = false;
  bf::fiber timed{bf::launch::post, std::allocator_arg, stacks(), [&] {
                    while (state.KeepRunningBatch(ops_per_batch))
                      for (int i = 0; i < ops_per_batch; i += 2)
                        boost::this_fiber::yield();
                    stop = true;
                  }};
  bf::fiber partner{bf::launch::post, std::allocator_arg, stacks(), [&] {
                      while (!stop)
                        boost::this_fiber::yield();
                    }};
  timed.join();
  partner.join();
}

void fiber_spawn_join(benchmark::State& state) {
  int ran = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i)
      bf::fiber{bf::launch::post, std::allocator_arg, stacks(), [&] { ++ran; }}.join();
  if (ran < state.iterations()) state.SkipWithError("a fiber did not run");
}

void fiber_mutex(benchmark::State& state) {
  bf::mutex mutex;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) {
      mutex.lock();
      benchmark::ClobberMemory();
      mutex.unlock();
    }
}

}  // namespace

BENCHMARK(fiber_switch)->Name("boost_fiber/switch");
BENCHMARK(fiber_spawn_join)->Name("boost_fiber/spawn_join");
BENCHMARK(fiber_mutex)->Name("boost_fiber/mutex");
