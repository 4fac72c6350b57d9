// Cancel scopes, timeouts, shields and task groups around what a coroutine awaits: the forms of weft/cancel.hpp for co_await.
//
// `what` is what can be awaited, or a function that returns such: co_await async::fail_after(1s, async::get(q)). Of a handle that is the
// wait, with its result; the fiber or task itself runs on when that is cut off (async::wait_for cancels it).
// A lambda that is itself a coroutine lives until it is over.
#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "weft/task.hpp"
#include "weft/task/access.hpp"

namespace weft {

namespace detail {

template <class A>
concept makes_awaitable = std::invocable<A&> && awaitable<std::invoke_result_t<A&>>;

template <class A>
concept runs_in_scope = is_task<A> || bare_awaitable<A> || makes_awaitable<A>;

// A handle, an event, a result: in a function that gives its wait. What cannot be copied must live until the co_await is over.
template <class W>
concept waited_for = waitable<std::remove_cvref_t<W>> && (std::is_lvalue_reference_v<W> || std::is_copy_constructible_v<W>);
template <class W>
auto waiting_for(W&& w) {
  using kept = std::conditional_t<std::is_copy_constructible_v<std::remove_cvref_t<W>>, std::remove_cvref_t<W>, W>;
  return [held = std::tuple<kept>(std::forward<W>(w))]() mutable {
    return call<get_operation<std::remove_reference_t<kept>>>(std::get<0>(held));
  };
}

template <class A>
decltype(auto) awaited_of(A& what) {
  if constexpr (!makes_awaitable<A>)
    return std::move(what);
  else
    return what();
}

template <class A>
using result_of = awaited_t<decltype(awaited_of(std::declval<A&>()))>;
template <class T>
using something = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

// What it gave; nothing when the scope was cancelled and that stopped it.
template <class A>
task<std::optional<something<result_of<A>>>> run_in_scope(cancel_scope& scope, nanos deadline, A what) {
  task_access::deadline(scope) = deadline;
  task_access::entered_scope in(current_hub(), task_access::inside(scope), deadline);
  std::optional<something<result_of<A>>> given;
  try {
    if constexpr (std::is_void_v<result_of<A>>) {
      co_await awaited_of(what);
      given.emplace();
    } else {
      given.emplace(co_await awaited_of(what));
    }
  } catch (const cancelled&) {
    if (!in.leave()) throw;
    co_return std::nullopt;
  }
  in.leave();
  co_return given;
}

// Waits for the last child, whatever comes.
class last_child_operation : public join_operation {
public:
  explicit last_child_operation(task_group& g) : join_operation(task_access::all_over(g), "task_group.join") { uncancellable = true; }
  bool await_ready() const noexcept { return false; }
};

// Joins the children after the body, which threw `failure` if not null.
inline task<> finish_group(task_group& g, std::exception_ptr failure) {
  if (failure == nullptr) {
    try {
      while (g.size() != 0) co_await call<join_operation>(task_access::all_over(g), "task_group.join", never);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (failure != nullptr) g.cancel();
  while (g.size() != 0) co_await call<last_child_operation>(g);
  task_access::finish(g, std::move(failure));  // which need not park any more
}

}  // namespace detail

namespace async {

// Runs it inside the scope, until its deadline if it has one. True when it came to its end, false when the scope was cancelled and that
// stopped it.
template <detail::runs_in_scope A>
task<bool> run(cancel_scope& scope, A what) {
  const auto given = co_await detail::run_in_scope(scope, detail::task_access::deadline(scope), std::move(what));
  co_return given.has_value();
}

// Runs it for at most `d`; true when it came to its end, false when it was cut off (trio's move_on_after).
template <class Rep, class Period, detail::runs_in_scope A>
task<bool> move_on_after(std::chrono::duration<Rep, Period> d, A what) {
  cancel_scope scope;
  const auto given =
      co_await detail::run_in_scope(scope, detail::deadline_after(detail::current_hub(), d), std::move(what));
  co_return given.has_value();
}

// The same until `t` on its clock.
template <class Clock, class Duration, detail::runs_in_scope A>
task<bool> move_on_at(std::chrono::time_point<Clock, Duration> t, A what) {
  return async::move_on_after(detail::left_until(t), std::move(what));
}

// What it gives; throws timeout_error when `d` passes first (trio's fail_after, asyncio.timeout).
template <class Rep, class Period, detail::runs_in_scope A>
task<detail::result_of<A>> fail_after(std::chrono::duration<Rep, Period> d, A what) {
  cancel_scope scope;
  auto given = co_await detail::run_in_scope(scope, detail::deadline_after(detail::current_hub(), d), std::move(what));
  if (!given) throw timeout_error();
  if constexpr (!std::is_void_v<detail::result_of<A>>) co_return std::move(*given);
}

// The same when `t` passes first.
template <class Clock, class Duration, detail::runs_in_scope A>
task<detail::result_of<A>> fail_at(std::chrono::time_point<Clock, Duration> t, A what) {
  return async::fail_after(detail::left_until(t), std::move(what));
}

// What it gives, or `fallback` when it was cut off after `d` (gevent.with_timeout).
template <class Rep, class Period, detail::runs_in_scope A, class V>
task<detail::result_of<A>> with_timeout(std::chrono::duration<Rep, Period> d, A what, V fallback) {
  cancel_scope scope;
  auto given = co_await detail::run_in_scope(scope, detail::deadline_after(detail::current_hub(), d), std::move(what));
  if (!given) co_return static_cast<detail::result_of<A>>(std::move(fallback));
  co_return std::move(*given);
}

// Runs it so that cancellation from outside waits until it is over (trio).
template <detail::runs_in_scope A>
task<detail::result_of<A>> shield(A what) {
  cancel_scope scope;
  scope.set_shield(true);
  auto given = co_await detail::run_in_scope(scope, detail::never, std::move(what));
  if constexpr (!std::is_void_v<detail::result_of<A>>) co_return std::move(*given);
}

template <detail::waited_for W>
auto run(cancel_scope& scope, W&& what) {
  return async::run(scope, detail::waiting_for(std::forward<W>(what)));
}
template <class Rep, class Period, detail::waited_for W>
auto move_on_after(std::chrono::duration<Rep, Period> d, W&& what) {
  return async::move_on_after(d, detail::waiting_for(std::forward<W>(what)));
}
template <class Clock, class Duration, detail::waited_for W>
auto move_on_at(std::chrono::time_point<Clock, Duration> t, W&& what) {
  return async::move_on_at(t, detail::waiting_for(std::forward<W>(what)));
}
template <class Rep, class Period, detail::waited_for W>
auto fail_after(std::chrono::duration<Rep, Period> d, W&& what) {
  return async::fail_after(d, detail::waiting_for(std::forward<W>(what)));
}
template <class Clock, class Duration, detail::waited_for W>
auto fail_at(std::chrono::time_point<Clock, Duration> t, W&& what) {
  return async::fail_at(t, detail::waiting_for(std::forward<W>(what)));
}
template <class Rep, class Period, detail::waited_for W, class V>
auto with_timeout(std::chrono::duration<Rep, Period> d, W&& what, V fallback) {
  return async::with_timeout(d, detail::waiting_for(std::forward<W>(what)), std::move(fallback));
}
template <detail::waited_for W>
auto shield(W&& what) {
  return async::shield(detail::waiting_for(std::forward<W>(what)));
}

// Waits for all children of the group, as its member does, and throws what that throws. A group must not be left in a coroutine before
// it was joined: its destructor would have to park. with_group sees to it.
inline task<> join(task_group& g) {
  detail::check_cancelled(detail::current_hub());
  return detail::finish_group(g, nullptr);
}

// Runs body(group) or body(), a coroutine, and then joins; what the member of this name does.
template <class F>
  requires(detail::returns_task<F&, task_group&> || detail::returns_task<F&>)
task<> run(task_group& group, F body) {
  cancel_scope scope;
  if (group.cancel_called()) scope.cancel();
  cancel_scope* const outer = std::exchange(detail::task_access::body(group), &scope);
  std::exception_ptr failure;
  try {
    if constexpr (detail::returns_task<F&, task_group&>)
      co_await detail::run_in_scope(scope, detail::never, body(group));
    else
      co_await detail::run_in_scope(scope, detail::never, body());
  } catch (...) {
    failure = std::current_exception();
  }
  detail::task_access::body(group) = outer;
  co_await detail::finish_group(group, std::move(failure));
}
// The same in a group of its own: body(group) spawns children, all are waited for (trio's nursery, asyncio.TaskGroup). The first failure,
// the body's included, cancels the others; it is thrown when all are over.
template <class F>
  requires detail::returns_task<F&, task_group&>
task<> with_group(F body) {
  task_group group;
  co_await run(group, std::move(body));
}

}  // namespace async
}  // namespace weft
