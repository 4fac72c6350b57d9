// co_await of thread pools and signals, of places in a pool of fibers, and of groups.
#pragma once

#include <chrono>
#include <concepts>
#include <csignal>
#include <initializer_list>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/group.hpp"
#include "weft/signal.hpp"
#include "weft/task.hpp"
#include "weft/task/access.hpp"
#include "weft/task/wait.hpp"
#include "weft/thread_pool.hpp"

namespace weft {

namespace detail {

class job_operation : public simple_line_operation<job_operation> {
public:
  explicit job_operation(pool_job& j) noexcept : simple_line_operation("thread_pool.apply", never), job_(j) {}

  bool now() {
    check_cancelled(*job_.home);
    return job_.done;
  }
  wait_list& line() noexcept { return job_.waiters; }
  void await_resume() { woken(); }

private:
  pool_job& job_;
};

class signal_operation : public line_operation<signal_operation, signal_waiter> {
public:
  signal_operation(signal_receiver& r, nanos until) noexcept : line_operation(until), receiver_(r) {}

  bool now() { return (number = task_access::take_now(receiver_)) != 0; }
  wait_list& line() noexcept { return task_access::line(receiver_); }
  int await_resume() {
    woken();
    return number;
  }

private:
  signal_receiver& receiver_;
};

class timed_signal_operation : public signal_operation {
public:
  using signal_operation::signal_operation;
  std::optional<int> await_resume() {
    const int got = signal_operation::await_resume();
    return got != 0 ? std::optional(got) : std::nullopt;
  }
};

// A place in a pool, as group::enter gives it.
class place_operation : public simple_line_operation<place_operation> {
public:
  place_operation(group& g, nanos until, const char* why) noexcept : simple_line_operation(why, until), group_(g) {}

  bool now() { return task_access::enter_now(group_); }
  wait_list& line() noexcept { return task_access::line(group_); }
  bool await_resume() { return woken(); }

private:
  group& group_;
};

// The results of group::map.
template <class V>
using mapped_results = std::conditional_t<std::is_void_v<V>, void, std::vector<std::conditional_t<std::is_void_v<V>, int, V>>>;

template <class Handle, class V, class F, class Item>
task<> map_into(group& g, F& fn, std::vector<Item>& items, std::vector<Handle>& handles, std::vector<tuple_value<V>>& results) {
  for (Item& item : items) {
    const bool entered = co_await call<place_operation>(g, never, "pool.spawn");
    static_cast<void>(entered);
    handles.push_back(task_access::start(g, fn, std::move(item)));
  }
  for (const Handle& f : handles) {
    co_await call<join_operation>(f.weft_completion(), "group.map", never);
    if constexpr (std::is_void_v<V>)
      f.weft_take();
    else
      results.push_back(f.weft_take());
  }
}

template <class Handle, class V, class F, class Item>
task<mapped_results<V>> map_in_group(group& g, F fn, std::vector<Item> items) {
  std::vector<Handle> handles;
  std::vector<tuple_value<V>> results;
  std::exception_ptr failure;
  try {
    co_await map_into<Handle, V>(g, fn, items, handles, results);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure != nullptr) {
    const std::vector<waitable_ref> all = refs_of(handles);
    co_await stop_all(all);
    for (const Handle& f : handles) static_cast<void>(f.exception());  // answered by stopping them
    std::rethrow_exception(failure);
  }
  if constexpr (!std::is_void_v<V>) co_return results;
}

}  // namespace detail

namespace async {

// fn(args...) on a thread of the pool: its result. Cancelled before a thread has begun it, it is dropped; later it goes on unheard.
template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
task<std::invoke_result_t<F, Args...>> apply(thread_pool& pool, F fn, Args... args) {
  auto ticket = detail::task_access::start(pool, std::move(fn), std::move(args)...);
  co_await detail::call<detail::job_operation>(static_cast<detail::pool_job&>(*ticket.job));
  co_return static_cast<std::invoke_result_t<F, Args...>>(ticket.job->take());
}

// signal_receiver's waits, and signal_wait.
inline auto wait(signal_receiver& r) { return detail::call<detail::signal_operation>(r, detail::never); }
template <class Rep, class Period>
auto wait_for(signal_receiver& r, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::timed_signal_operation>(r, detail::deadline_after(detail::current_hub(), d));
}
inline task<int> signal_wait(int signal) {
  signal_receiver listens(signal);
  const int number = co_await wait(listens);
  co_return number;
}
template <class Rep, class Period>
task<std::optional<int>> signal_wait_for(int signal, std::chrono::duration<Rep, Period> d) {
  signal_receiver listens(signal);
  const std::optional<int> number = co_await wait_for(listens, d);
  co_return number;
}

// Starts fn(args...), a function or a coroutine, in the group, when a pool has room for it: its handle.
template <class F, class... Args>
  requires std::invocable<F, Args...>
auto spawn(group& g, F fn, Args... args) -> task<decltype(detail::task_access::start(g, std::move(fn), std::move(args)...))> {
  const bool entered = co_await detail::call<detail::place_operation>(g, detail::never, "pool.spawn");
  static_cast<void>(entered);
  co_return detail::task_access::start(g, std::move(fn), std::move(args)...);
}
template <class A>
  requires(detail::is_task<A> || detail::bare_awaitable<A>)
auto spawn(group& g, A what) -> task<decltype(detail::task_access::start(g, std::move(what)))> {
  const bool entered = co_await detail::call<detail::place_operation>(g, detail::never, "pool.spawn");
  static_cast<void>(entered);
  co_return detail::task_access::start(g, std::move(what));
}
// Waits until a pool has room, without taking it; false when `timeout` passed first.
inline task<bool> wait_available(pool& p, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  const detail::nanos deadline = detail::deadline_in_time(detail::current_hub(), timeout);
  const bool there = co_await detail::call<detail::place_operation>(p, deadline, "pool.wait_available");
  if (there) detail::task_access::leave(p);
  co_return there;
}
// Waits until no fiber is left; false when `timeout` passed first. With `raise_error` the first failure from here on is thrown.
inline task<bool> join(group& g, std::optional<std::chrono::nanoseconds> timeout = std::nullopt, bool raise_error = false) {
  detail::hub& h = detail::task_access::home(g);
  detail::check_cancelled(h);
  const detail::nanos deadline = detail::deadline_in_time(h, timeout);
  while (!g.empty()) {
    const std::vector<any_fiber> now = detail::task_access::members(g);
    detail::countdown links(h, now.size());
    for (const any_fiber& f : now) links.watch(f.weft_completion());
    for (std::size_t left = now.size(); left > 0; --left) {
      const std::size_t which = co_await detail::one_of(links, deadline, "group.join");
      if (which == detail::countdown::none) co_return false;
      if (!raise_error) continue;
      if (auto failure = now[which].exception()) std::rethrow_exception(failure);
    }
  }
  co_return true;
}
// Cancels all, and joins.
inline task<bool> kill(group& g, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  for (const any_fiber& f : detail::task_access::members(g)) f.cancel();
  return join(g, timeout);
}
// spawn, and the result.
template <class F, class... Args>
  requires std::invocable<F, Args...>
auto apply(group& g, F fn, Args... args)
    -> task<typename decltype(detail::task_access::start(g, std::move(fn), std::move(args)...))::value_type> {
  auto f = co_await spawn(g, std::move(fn), std::move(args)...);
  co_return co_await f;
}
// fn(item) for every item, each in a fiber or task of the group; the results in the order of the items (void: nothing). The first failure
// is thrown when its turn comes; then, and when the caller is cancelled, those that run still are cancelled and waited for. For results one
// by one: imap (weft/task/imap.hpp).
template <class F, std::ranges::input_range R>
auto map(group& g, F fn, R&& range) {
  using item = std::ranges::range_value_t<R>;
  using handle = decltype(detail::task_access::start(g, fn, std::declval<item>()));
  std::vector<item> items(std::ranges::begin(range), std::ranges::end(range));
  return detail::map_in_group<handle, typename handle::value_type>(g, std::move(fn), std::move(items));
}

}  // namespace async
}  // namespace weft
