// The floor: bare fcontexts of Boost.Context. Nothing but a jump, so only what a jump can do is here: a switch, a value there and back.
#include "work.hpp"

#include <boost/context/detail/fcontext.hpp>

#include <array>
#include <cstddef>

namespace {

namespace ctx = boost::context::detail;

[[noreturn]] void bounce(ctx::transfer_t from) {
  for (;;) from = ctx::jump_fcontext(from.fctx, from.data);
}

ctx::fcontext_t on_fresh_stack() {
  alignas(64) static std::array<std::byte, 64 * 1024> stack;
  return ctx::make_fcontext(stack.data() + stack.size(), stack.size(), bounce);
}

void switch_turns(benchmark::State& state) {
  ctx::transfer_t other{on_fresh_stack(), nullptr};
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; i += 2) other = ctx::jump_fcontext(other.fctx, nullptr);
}

// A stack that is there already: made ready, run to the point where it is over.
void spawn(benchmark::State& state) {
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) benchmark::DoNotOptimize(ctx::jump_fcontext(on_fresh_stack(), nullptr));
}

}  // namespace

BENCHMARK(switch_turns)->Name("fcontext/switch");
BENCHMARK(spawn)->Name("fcontext/spawn");
