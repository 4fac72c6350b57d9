// co_await of a coroutine that runs once, whoever comes: the awaited form of weft::call_once.
#pragma once

#include <functional>
#include <mutex>
#include <utility>

#include "weft/once.hpp"
#include "weft/task.hpp"
#include "weft/task/sync.hpp"

namespace weft::async {

// Awaits fn(args...), a coroutine, unless such a call with this flag has come to its end already; waits while another one is in it. One
// that throws, or is cancelled, does not count. Throws what weft::call_once throws; flags may be used in both styles.
template <class F, class... Args>
  requires detail::returns_task<F, Args...>
task<> call_once(once_flag& flag, F fn, Args... args) {
  if (flag.done()) co_return;
  const std::unique_lock<mutex> held = co_await lock(detail::once_access::running(flag));
  if (flag.done()) co_return;
  co_await std::invoke(std::move(fn), std::move(args)...);
  detail::once_access::done(flag) = true;
}

}  // namespace weft::async
