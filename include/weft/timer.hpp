// Functions that are called later, after asyncio's loop.call_later and call_at, and JavaScript's setInterval for call_every.
//
// Each call runs in a fiber of its own, so it may park; what it throws is reported as an unobserved failure. Timers belong to the
// hub that armed them. They do not keep main from ending: those that are left are dropped then.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "weft/detail/run_here.hpp"
#include "weft/detail/wait.hpp"

namespace weft {

namespace detail {

class call_timer;

// The function of a timer, with its arguments.
struct timed_call {
  virtual void call() = 0;
  virtual ~timed_call() = default;
};

// Calls with lvalues, since a periodic timer calls again.
template <class F, class... Args>
struct timed_call_of final : timed_call {
  template <class... A>
  explicit timed_call_of(A&&... a) : body(std::forward<A>(a)...) {}
  void call() override {
    std::apply([](F& fn, Args&... args) { static_cast<void>(run_here(fn, args...)); }, body);
  }
  std::tuple<F, Args...> body;
};

// Arms a timer; `period` 0: once.
WEFT_API std::shared_ptr<call_timer> start_timer(hub& h, std::unique_ptr<timed_call> fn, nanos first, nanos period);
WEFT_API void throw_bad_period();

template <class F, class... Args>
std::unique_ptr<timed_call> make_timed_call(F&& fn, Args&&... args) {
  return std::make_unique<timed_call_of<std::decay_t<F>, std::decay_t<Args>...>>(std::forward<F>(fn), std::forward<Args>(args)...);
}

}  // namespace detail

// Names a timer. Copyable; dropping it does not stop the timer (asyncio).
class WEFT_API timer_handle {
public:
  timer_handle() noexcept = default;
  explicit timer_handle(std::shared_ptr<detail::call_timer> t) noexcept : timer_(std::move(t)) {}

  // No further call begins; one that runs is left to end. True when that prevented something. Never parks. Throws wrong_hub.
  bool cancel();
  // A call is still to come. False on an empty handle.
  bool active() const noexcept;

private:
  std::shared_ptr<detail::call_timer> timer_;
};

// Calls fn(args...) once, after `d`, in a fiber of its own. Timers of one moment run in the order in which they were armed. Never
// parks. Throws bad_alloc, and what copying throws.
template <class Rep, class Period, class F, class... Args>
  requires std::invocable<std::decay_t<F>&, std::decay_t<Args>&...>
timer_handle call_later(std::chrono::duration<Rep, Period> d, F&& fn, Args&&... args) {
  detail::hub& h = detail::current_hub();
  const detail::nanos first = detail::deadline_after(h, d);
  return timer_handle(detail::start_timer(h, detail::make_timed_call(std::forward<F>(fn), std::forward<Args>(args)...), first, 0));
}

// Calls fn(args...) once, at `t` on its clock (what is left until then is measured once).
template <class Clock, class Duration, class F, class... Args>
  requires std::invocable<std::decay_t<F>&, std::decay_t<Args>&...>
timer_handle call_at(std::chrono::time_point<Clock, Duration> t, F&& fn, Args&&... args) {
  return call_later(detail::left_until(t), std::forward<F>(fn), std::forward<Args>(args)...);
}

// Calls fn(args...) every `d`, the first time after `d`. The moments are multiples of `d` from now, however long calls take; calls
// never overlap: a moment that passes while one still runs is left out. A call that throws is reported, and the next ones come all
// the same; one that is cancelled is the last. Throws std::invalid_argument when `d` is not positive.
template <class Rep, class Period, class F, class... Args>
  requires std::invocable<std::decay_t<F>&, std::decay_t<Args>&...>
timer_handle call_every(std::chrono::duration<Rep, Period> d, F&& fn, Args&&... args) {
  detail::hub& h = detail::current_hub();
  const detail::nanos period = detail::to_nanos(d);
  if (period == 0) detail::throw_bad_period();
  return timer_handle(detail::start_timer(h, detail::make_timed_call(std::forward<F>(fn), std::forward<Args>(args)...),
                                          detail::deadline_in(h, period), period));
}

}  // namespace weft
