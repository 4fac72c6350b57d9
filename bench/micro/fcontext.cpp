// The floor of every switch figure: one jump between two bare fcontexts, no scheduler, nothing saved
// beyond what Boost.Context itself saves. Must not gain anything, or the ratios lose their meaning.
#include <benchmark/benchmark.h>

#include <boost/context/detail/fcontext.hpp>

#include <array>
#include <cstddef>

namespace {

namespace ctx = boost::context::detail;

constexpr int ops_per_batch = 1024;

[[noreturn]] void bounce(ctx::transfer_t from) {
  for (;;)
    from = ctx::jump_fcontext(from.fctx, nullptr);
}

void raw_jump(benchmark::State& state) {
  alignas(64) static std::array<std::byte, 64 * 1024> stack;
  ctx::transfer_t other{ctx::make_fcontext(stack.data() + stack.size(), stack.size(), bounce), nullptr};
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; i += 2)  // there and back are two jumps
      other = ctx::jump_fcontext(other.fctx, nullptr);
}

}  // namespace

BENCHMARK(raw_jump)->Name("fcontext/jump");
