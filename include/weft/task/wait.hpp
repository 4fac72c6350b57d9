// co_await of several: the forms of weft/wait.hpp, weft/gather.hpp and weft/wait_for.hpp, with the same arguments and results.
//
// A range or a handle that is given as a temporary is kept in the frame; one that has a name must live until the co_await is over. Of
// several kinds: async::wait(weft::waitables(fiber, event)), since g++ 12 knows no lists in braces in a coroutine.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/any_waitable.hpp"
#include "weft/gather.hpp"
#include "weft/task.hpp"
#include "weft/task/scope.hpp"
#include "weft/task/sync.hpp"
#include "weft/wait.hpp"
#include "weft/wait_for.hpp"

namespace weft {

namespace detail {

// countdown::wait_one.
class WEFT_API countdown_operation : public operation {
public:
  countdown_operation(countdown& c, nanos until, const char* why) noexcept : operation(why), of_(c), until_(until) {}

  bool await_ready() const noexcept { return of_.first_done != nullptr; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    enter(h);
    of_.parked = this;
    return suspend_on(*this, until_);
  }
  std::size_t await_resume();

private:
  countdown& of_;
  nanos until_;
};

inline auto one_of(countdown& c, nanos until, const char* why) { return call<countdown_operation>(c, until, why); }

// A named range stays where it is, a temporary one goes into the frame.
template <class R>
using kept_range = std::conditional_t<std::is_lvalue_reference_v<R>, R, std::remove_cvref_t<R>>;

template <class R>
task<std::size_t> joinall_of(R range, joinall_options options) {
  hub& h = current_hub();
  const nanos deadline = deadline_in_time(h, options.timeout);
  check_cancelled(h);
  std::size_t total = 0, done = 0;
  for (const auto& w : range) {
    ++total;
    if (w.done()) ++done;
    if (options.raise_error && w.done())
      if (auto failure = w.exception()) std::rethrow_exception(failure);
  }
  const std::size_t enough = options.count == 0 || options.count > total ? total : options.count;
  if (enough == total && !options.raise_error) {
    for (const auto& w : range) {
      bool in_time = true;
      if (!w.done()) in_time = co_await call<join_operation>(w.weft_completion(), "joinall", deadline);
      if (!in_time) break;
    }
  } else if (done < enough) {
    countdown links(h, total - done);
    std::vector<std::ranges::iterator_t<const std::remove_reference_t<R>>> watched;
    for (auto w = std::ranges::begin(std::as_const(range)); w != std::ranges::end(std::as_const(range)); ++w)
      if (!w->done()) {
        links.watch(w->weft_completion());
        watched.push_back(w);
      }
    for (; done < enough; ++done) {
      const std::size_t which = co_await one_of(links, deadline, "joinall");
      if (which == countdown::none) break;
      if (options.raise_error)
        if (auto failure = watched[which]->exception()) std::rethrow_exception(failure);
    }
  }
  done = 0;
  for (const auto& w : range)
    if (w.done()) ++done;
  co_return done;
}

inline task<bool> killall_of(std::vector<any_fiber> all, std::optional<std::chrono::nanoseconds> timeout) {
  for (const any_fiber& f : all) f.cancel();
  const std::size_t over = co_await joinall_of<std::vector<any_fiber>&>(all, joinall_options{.timeout = timeout});
  co_return over == all.size();
}

template <class R>
task<wait_result<std::ranges::range_value_t<R>>> wait_of(R range, return_when when, std::optional<std::chrono::nanoseconds> timeout) {
  hub& h = current_hub();
  check_cancelled(h);
  const nanos deadline = deadline_in_time(h, timeout);
  waiting<std::remove_cvref_t<R>> all(h, range, when);
  bool in_time = true;
  while (in_time && all.more()) {
    const std::size_t which = co_await one_of(all.links, deadline, "wait");
    in_time = all.add(which);
  }
  co_return all.take();
}

// gather_wait and wait_or_cancel for coroutines.
WEFT_API task<> gather_all(std::span<const waitable_ref> items, std::span<const waitable_ref> own, bool settle);
// Cancels them, and waits until they are over, whatever happens to the task.
WEFT_API task<> stop_all(std::span<const waitable_ref> items);
WEFT_API task<> wait_or_cancel_late(waitable_ref what, nanos deadline);

template <bool Settle, class... A>
using gather_result = std::conditional_t<Settle, settled_values<A...>, gathered_values<A...>>;

template <bool Settle, class... A>
task<gather_result<Settle, A...>> gather_of(A... args) {
  std::tuple<decltype(gathered(std::declval<A>()))...> held{gathered(std::forward<A>(args))...};
  std::vector<waitable_ref> all, own;
  std::apply(
      [&](auto&... w) {
        (all.push_back(waitable_ref::to(w)), ...);
        std::size_t at = 0;
        ((waitable_value<std::remove_cvref_t<A>> ? void() : own.push_back(all[at]), ++at), ...);
      },
      held);
  co_await gather_all(all, own, Settle);
  co_return std::apply(
      [](auto&... w) {
        if constexpr (Settle)
          return gather_result<Settle, A...>{settled_of(w)...};
        else
          return gather_result<Settle, A...>{value_of(w)...};
      },
      held);
}

template <bool Settle, class R>
auto gather_range_of(R range) -> task<decltype(gather_range<Settle>(range))> {
  if constexpr (!waitable_value<std::ranges::range_value_t<R>>) {
    auto fibers = gathered_range(range);
    const std::vector<waitable_ref> all = refs_of(fibers);
    co_await gather_all(all, all, Settle);
    co_return collected<Settle>(fibers);
  } else {
    const std::vector<waitable_ref> all = refs_of(range);
    co_await gather_all(all, {}, Settle);
    co_return collected<Settle>(range);
  }
}

template <class W>
task<typename std::remove_cvref_t<W>::value_type> wait_for_value(W w, nanos deadline) {
  co_await wait_or_cancel_late(waitable_ref::to(w), deadline);
  co_return static_cast<std::remove_cvref_t<W>&>(w).get();
}

}  // namespace detail

namespace async {

// weft::joinall: how many of them are done.
template <std::ranges::forward_range R>
  requires waitable<std::ranges::range_value_t<R>>
auto joinall(R&& range, joinall_options options = {}) {
  return detail::joinall_of<detail::kept_range<R>>(std::forward<R>(range), options);
}
template <detail::not_begun R>
task<std::size_t> joinall(const R&, joinall_options = {}) {
  static_cast<void>(detail::refuse_not_begun<R>());
  return {};
}
// Cancels every fiber of the range, then waits for all; true when all are over by `timeout`.
template <std::ranges::forward_range R>
  requires std::derived_from<std::ranges::range_value_t<R>, any_fiber>
task<bool> killall(const R& range, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  return detail::killall_of(std::vector<any_fiber>(std::ranges::begin(range), std::ranges::end(range)), timeout);
}

// weft::wait: those done and those pending.
template <std::ranges::forward_range R>
  requires waitable<std::ranges::range_value_t<R>>
auto wait(R&& range, return_when when = return_when::all, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  return detail::wait_of<detail::kept_range<R>>(std::forward<R>(range), when, timeout);
}

template <detail::not_begun R>
task<wait_result<any_waitable>> wait(const R&, return_when = return_when::all,
                                     std::optional<std::chrono::nanoseconds> = std::nullopt) {
  static_cast<void>(detail::refuse_not_begun<R>());
  return {};
}

// The waitables of a range, one after the other as they end: while (auto f = co_await ended.next()) use(*f).
template <class R>
class completions : public detail::asked_by_await {
public:
  using item = typename wait_result<std::ranges::range_value_t<R>>::item;

  completions(R range, std::optional<std::chrono::nanoseconds> timeout) : order_(std::forward<R>(range), timeout) {}
  completions(const completions&) = delete;
  completions& operator=(const completions&) = delete;

  // The next that has ended (a copy of its handle, or a pointer to what cannot be copied); empty after the last. Throws timeout_error when
  // the time for all of them is over, cancelled.
  task<std::optional<item>> next() {
    if (!order_.more()) co_return std::nullopt;
    const std::size_t which = co_await detail::one_of(order_.links, order_.deadline, "as_completed");
    co_return detail::wait_item(order_.take(which));
  }

private:
  detail::completion_order<R> order_;
};

// weft::as_completed: an object to ask for one after the other. The time counts from here.
template <std::ranges::forward_range R>
  requires waitable<std::ranges::range_value_t<R>>
completions<detail::kept_range<R>> as_completed(R&& range, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  return completions<detail::kept_range<R>>(std::forward<R>(range), timeout);
}

// weft::gather: a tuple of the results in the order of the arguments, or a vector for a range. Functions and tasks are started when it is
// awaited.
template <class... A>
  requires(detail::gatherable<A> && ...)
auto gather(A&&... args) {
  return detail::gather_of<false, detail::kept_range<A>...>(std::forward<A>(args)...);
}
template <detail::gatherable_range R>
  requires(!detail::gatherable<R>)
auto gather(R&& range) {
  return detail::gather_range_of<false, detail::kept_range<R>>(std::forward<R>(range));
}
// weft::gather_settled: failures as values.
template <class... A>
  requires(detail::gatherable<A> && ...)
auto gather_settled(A&&... args) {
  return detail::gather_of<true, detail::kept_range<A>...>(std::forward<A>(args)...);
}
template <detail::gatherable_range R>
  requires(!detail::gatherable<R>)
auto gather_settled(R&& range) {
  return detail::gather_range_of<true, detail::kept_range<R>>(std::forward<R>(range));
}

// weft::wait_for: the result of a fiber, task or async_result; what does not come in time is cancelled and waited for.
template <class W, class Rep, class Period>
  requires waitable_value<std::remove_cvref_t<W>>
auto wait_for(W&& w, std::chrono::duration<Rep, Period> d) {
  return detail::wait_for_value<detail::kept_range<W>>(std::forward<W>(w), detail::deadline_after(detail::current_hub(), d));
}
// Of a task that has not begun, or of something awaitable that a function gives, run here: fail_after the other way round.
template <detail::runs_in_scope A, class Rep, class Period>
  requires(!waitable<A>)
auto wait_for(A what, std::chrono::duration<Rep, Period> d) {
  return async::fail_after(d, std::move(what));
}

}  // namespace async
}  // namespace weft
