// Boost.Asio's C++20 coroutines on an io_context of one thread: the same as task.cpp beside it.
#include "work.hpp"

#include <boost/asio.hpp>
#include <boost/asio/experimental/channel.hpp>

#include <exception>
#include <memory>

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using channel = asio::experimental::channel<void(boost::system::error_code, int)>;

// The hint of one thread leaves the locks out.
struct loop {
  asio::io_context context{1};

  template <class T>
  void start(awaitable<T> what) {
    asio::co_spawn(context, std::move(what), [](std::exception_ptr failure, auto...) {
      if (failure) std::rethrow_exception(failure);
    });
  }
};

awaitable<void> take_turns(benchmark::State& state, bool& stop) {
  const auto executor = co_await asio::this_coro::executor;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; i += 2) co_await asio::post(executor, use_awaitable);
  stop = true;
}

awaitable<void> take_turns_until(const bool& stop) {
  const auto executor = co_await asio::this_coro::executor;
  while (!stop) co_await asio::post(executor, use_awaitable);
}

void switch_turns(benchmark::State& state) {
  loop l;
  bool stop = false;
  l.start(take_turns(state, stop));
  l.start(take_turns_until(stop));
  l.context.run();
}

awaitable<void> count(std::int64_t& ran) {
  ++ran;
  co_return;
}

awaitable<void> spawn_many(benchmark::State& state, std::int64_t& ran) {
  const auto executor = co_await asio::this_coro::executor;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) co_await asio::co_spawn(executor, count(ran), use_awaitable);
}

void spawn(benchmark::State& state) {
  loop l;
  std::int64_t ran = 0;
  l.start(spawn_many(state, ran));
  l.context.run();
  if (ran < state.iterations()) state.SkipWithError("a coroutine did not run");
}

awaitable<void> echo(channel& there, channel& back) {
  for (;;) {
    const int n = co_await there.async_receive(use_awaitable);
    if (n < 0) co_return;
    co_await back.async_send({}, n + 1, use_awaitable);
  }
}

awaitable<void> ask(benchmark::State& state, channel& there, channel& back, int& n) {
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) {
      co_await there.async_send({}, n, use_awaitable);
      n = co_await back.async_receive(use_awaitable);
    }
  co_await there.async_send({}, -1, use_awaitable);
}

void queue(benchmark::State& state) {
  loop l;
  channel there(l.context, 1), back(l.context, 1);
  int n = 0;
  l.start(echo(there, back));
  l.start(ask(state, there, back, n));
  l.context.run();
  if (n != static_cast<int>(state.iterations())) state.SkipWithError("a value was lost");
}

awaitable<void> yield_for_ever(int levels, benchmark::State& state) {
  if (levels > 1) {
    co_await yield_for_ever(levels - 1, state);
    co_return;
  }
  const auto executor = co_await asio::this_coro::executor;
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) co_await asio::post(executor, use_awaitable);
}

awaitable<void> stop_at_the_end(int levels, benchmark::State& state, bool& stop) {
  co_await yield_for_ever(levels, state);
  stop = true;
}

void leaf(benchmark::State& state) {
  loop l;
  bool stop = false;
  l.start(stop_at_the_end(static_cast<int>(state.range(0)), state, stop));
  l.start(take_turns_until(stop));
  l.context.run();
}

awaitable<int> descend(int levels) {
  if (levels == 1) co_return 1;
  const int below = co_await descend(levels - 1);
  co_return below + 1;
}

awaitable<void> call_many(benchmark::State& state, int levels, std::int64_t& left) {
  while (state.KeepRunningBatch(ops_per_batch))
    for (int i = 0; i < ops_per_batch; ++i) {
      const int one = co_await descend(levels);
      left += one;
    }
}

void call(benchmark::State& state) {
  loop l;
  const int levels = static_cast<int>(state.range(0));
  std::int64_t left = 0;
  l.start(call_many(state, levels, left));
  l.context.run();
  if (left != levels * state.iterations()) state.SkipWithError("a level was left out");
}

}  // namespace

BENCHMARK(switch_turns)->Name("Asio/switch");
BENCHMARK(spawn)->Name("Asio/spawn");
BENCHMARK(queue)->Name("Asio/queue");
BENCHMARK(leaf)->Name("Asio/leaf")->Arg(shallow)->Arg(deep);
BENCHMARK(call)->Name("Asio/call")->Arg(shallow)->Arg(deep);
