// Boost.Fiber with its round-robin scheduler and pooled stacks: the same as fiber.cpp beside it.
#include "work.hpp"

#include <boost/fiber/all.hpp>

#include <memory>

namespace {

namespace bf = boost::fibers;

bf::pooled_fixedsize_stack& stacks() {
  static bf::pooled_fixedsize_stack pool{64 * 1024};
  return pool;
}

template <class F>
bf::fiber start(F body) {
  return {bf::launch::post, std::allocator_arg, stacks(), std::move(body)};
}

// The partner of whoever is timed, until `stop`.
bf::fiber partner_until(const bool& stop) {
  return start([&stop] {
    while (!stop) boost::this_fiber::yield();
  });
}

void switch_turns(benchmark::State& state) {
  bool stop = false;
  auto timed = start([&] {
    while (state.KeepRunningBatch(ops_per_batch))
      for (int i = 0; i < ops_per_batch; i += 2) boost::this_fiber::yield();
    stop = true;
  });
  auto partner = partner_until(stop);
  timed.join();
  partner.join();
}

void spawn(benchmark::State& state) {
  std::int64_t ran = 0;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) start([&] { ++ran; }).join();
  if (ran < state.iterations()) state.SkipWithError("a fiber did not run");
}

void queue(benchmark::State& state) {
  bf::buffered_channel<int> there(2), back(2);  // a capacity of two holds one
  auto echo = start([&] {
    int n = 0;
    while (there.pop(n) == bf::channel_op_status::success) back.push(n + 1);
  });
  int n = 0;
  start([&] {
    while (state.KeepRunningBatch(ops_per_batch))
      for (int i = 0; i < ops_per_batch; ++i) {
        there.push(n);
        back.pop(n);
      }
  }).join();
  there.close();
  echo.join();
  if (n != static_cast<int>(state.iterations())) state.SkipWithError("a value was lost");
}

}  // namespace

BENCHMARK(switch_turns)->Name("Boost.Fiber/switch");
BENCHMARK(spawn)->Name("Boost.Fiber/spawn");
BENCHMARK(queue)->Name("Boost.Fiber/queue");
