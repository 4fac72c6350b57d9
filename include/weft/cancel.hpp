// Cancel scopes and timeouts, after trio: a scope is a stretch of one fiber's execution that can be cancelled as a whole.
//
// Cancellation is delivered where the fiber parks, as a `weft::cancelled` exception, again and again until the scope is left (it is
// sticky). A scope stops only the `cancelled` of its own cancellation: with nested timeouts each catches its own. What parks in
// a destructor during unwinding is let finish. In intercepted C calls there is no exception: they fail with ECANCELED.
#pragma once

#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include "weft/hub_clock.hpp"
#include "weft/detail/run_here.hpp"
#include "weft/detail/wait.hpp"
#include "weft/error.hpp"

namespace weft {

namespace detail {

inline hub_clock::time_point point_of(nanos t) noexcept {
  return t >= static_cast<nanos>(hub_clock::time_point::max().time_since_epoch().count())
             ? hub_clock::time_point::max()
             : hub_clock::time_point(hub_clock::duration(static_cast<hub_clock::rep>(t)));
}

}  // namespace detail

// A scope object. `run` enters it; `cancel` may be called from any fiber of the hub, before, during and after. Not movable.
class cancel_scope {
public:
  cancel_scope() noexcept = default;
  cancel_scope(const cancel_scope&) = delete;
  cancel_scope& operator=(const cancel_scope&) = delete;

  // Runs fn() inside the scope. True when it came to its end, false when the scope was cancelled, or its deadline passed, and that stopped
  // it. What fn throws otherwise passes through. A scope runs once at a time.
  template <class F>
  bool run(F&& fn) {
    return run_until(deadline_, std::forward<F>(fn));
  }
  void cancel() noexcept { detail::scope_cancel(s_); }

  // Sets the deadline, or another one, before run and during it, by any fiber of the hub: so a timeout is renewed with each sign of life
  // (trio's scope.deadline, asyncio's timeout.reschedule). It takes back no cancellation. Never parks. Throws wrong_hub.
  template <class Rep, class Period>
  void expires_after(std::chrono::duration<Rep, Period> d) {
    set_deadline(detail::deadline_after(detail::current_hub(), d));
  }
  // `t` on its clock; what is left until then is measured once.
  template <class Clock, class Duration>
  void expires_at(std::chrono::time_point<Clock, Duration> t) {
    expires_after(t - Clock::now());
  }
  void expires_never() { set_deadline(detail::never); }
  // The deadline; time_point::max() when there is none.
  hub_clock::time_point expiry() const noexcept { return detail::point_of(deadline_); }
  // cancel() was called, or the deadline passed.
  bool cancel_called() const noexcept { return s_.cancelled; }
  bool deadline_passed() const noexcept { return s_.by_deadline; }
  // While set, cancellation from outside this scope waits (trio's shield).
  void set_shield(bool on) noexcept { detail::scope_shield(s_, on); }

  template <class F>
  bool run_until(detail::nanos deadline, F&& fn) {
    detail::refuse_coroutine<std::invoke_result_t<F>>();
    deadline_ = deadline;
    entered in(detail::current_hub(), s_, deadline);
    try {
      static_cast<void>(std::forward<F>(fn)());
    } catch (const cancelled&) {
      if (!in.leave()) throw;
      return false;
    }
    in.leave();
    return true;
  }

private:
  friend struct detail::task_access;

  struct entered {
    detail::hub& home;
    detail::scope& s;
    bool inside = true;
    entered(detail::hub& h, detail::scope& scope, detail::nanos deadline) : home(h), s(scope) {
      detail::scope_enter(h, scope, deadline);
    }
    bool leave() noexcept {
      inside = false;
      return detail::scope_exit(home, s);
    }
    ~entered() {
      if (inside) leave();
    }
  };

  void set_deadline(detail::nanos deadline) {
    if (s_.fiber != nullptr) {
      if (!detail::on_hub(s_.fiber->home)) throw wrong_hub("cancel_scope");
      detail::scope_deadline(s_, deadline);
    }
    deadline_ = deadline;
  }

  detail::scope s_;
  detail::nanos deadline_ = detail::never;
};

namespace this_fiber {

// Whether the next call that can park would throw cancelled: for loops that compute (Go's ctx.Err()). Never parks.
inline bool cancel_due() { return detail::cancellation_due(detail::current_hub()) == detail::wake::cancelled; }
// When the first of the timeouts around the running fiber passes, for calls that take a limit of their own (trio's
// current_effective_deadline, Go's ctx.Deadline()): time_point::max() when none does, time_point::min() when it is cancelled
// already. Never parks.
inline hub_clock::time_point deadline() {
  const detail::nanos first = detail::first_deadline(detail::current_hub());
  return first == 0 ? hub_clock::time_point::min() : detail::point_of(first);
}

}  // namespace this_fiber

// Runs fn() for at most `d`; true when it came to its end, false when it was cut off (trio's move_on_after).
template <class Rep, class Period, class F>
bool move_on_after(std::chrono::duration<Rep, Period> d, F&& fn) {
  cancel_scope scope;
  return scope.run_until(detail::deadline_after(detail::current_hub(), d), std::forward<F>(fn));
}

// The same until `t` on its clock (what is left until then is measured once).
template <class Clock, class Duration, class F>
bool move_on_at(std::chrono::time_point<Clock, Duration> t, F&& fn) {
  return move_on_after(detail::left_until(t), std::forward<F>(fn));
}

// Runs fn() and returns its result; throws timeout_error when `d` passes first (trio's fail_after, asyncio.timeout).
template <class Rep, class Period, class F>
auto fail_after(std::chrono::duration<Rep, Period> d, F&& fn) {
  using result = std::invoke_result_t<F>;
  detail::refuse_coroutine<result>();
  cancel_scope scope;
  const auto deadline = detail::deadline_after(detail::current_hub(), d);
  if constexpr (std::is_void_v<result>) {
    if (!scope.run_until(deadline, std::forward<F>(fn))) throw timeout_error();
  } else {
    std::optional<result> value;
    if (!scope.run_until(deadline, [&] { value.emplace(std::forward<F>(fn)()); })) throw timeout_error();
    return std::move(*value);
  }
}

// The same when `t` passes first.
template <class Clock, class Duration, class F>
auto fail_at(std::chrono::time_point<Clock, Duration> t, F&& fn) {
  return fail_after(detail::left_until(t), std::forward<F>(fn));
}

// Runs fn() for at most `d`; its result, or `fallback` when it was cut off (gevent.with_timeout).
template <class Rep, class Period, class F, class V>
auto with_timeout(std::chrono::duration<Rep, Period> d, F&& fn, V&& fallback) {
  using result = std::invoke_result_t<F>;
  detail::refuse_coroutine<result>();
  std::optional<result> value;
  if (move_on_after(d, [&] { value.emplace(std::forward<F>(fn)()); })) return std::move(*value);
  return static_cast<result>(std::forward<V>(fallback));
}

// Runs fn() so that cancellation from outside waits until it is over: for clean-up that itself must park (trio).
template <class F>
decltype(auto) shield(F&& fn) {
  cancel_scope scope;
  scope.set_shield(true);
  using result = std::invoke_result_t<F>;
  detail::refuse_coroutine<result>();
  if constexpr (std::is_void_v<result>) {
    scope.run(std::forward<F>(fn));
  } else {
    std::optional<result> value;
    scope.run([&] { value.emplace(std::forward<F>(fn)()); });
    return result(std::move(*value));
  }
}

}  // namespace weft
