// From the core's answers to exceptions: what every waiting call of the C++ API goes through.
#pragma once

#include <chrono>

#include "weft/detail/runtime.hpp"
#include "weft/detail/switch_call.hpp"
#include "weft/error.hpp"

namespace weft::detail {

// Nanoseconds of a duration, rounded up, so that nothing wakes early; negative ones are 0.
template <class Rep, class Period>
nanos to_nanos(std::chrono::duration<Rep, Period> d) {
  if (d <= d.zero()) return 0;
  if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
    const auto ns = std::chrono::duration<long double, std::nano>(d).count();
    return ns >= 9.2e18L ? never : static_cast<nanos>(ns) + (ns > static_cast<long double>(static_cast<nanos>(ns)) ? 1 : 0);
  } else {
    const auto limit = std::chrono::duration_cast<std::chrono::hours>(std::chrono::nanoseconds::max());
    if (d > limit) return never;
    return static_cast<nanos>(std::chrono::ceil<std::chrono::nanoseconds>(d).count());
  }
}

inline nanos deadline_in(hub& h, nanos from_now) noexcept {
  if (from_now == never) return never;
  const nanos at = now(h) + from_now;
  return at < from_now ? never : at;
}

template <class Rep, class Period>
nanos deadline_after(hub& h, std::chrono::duration<Rep, Period> d) {
  return deadline_in(h, to_nanos(d));
}

// What is left until `t`; nothing when that was before, however long: the difference need not fit.
template <class Clock, class Duration>
auto left_until(std::chrono::time_point<Clock, Duration> t) {
  const auto now = Clock::now();
  using left = decltype(t - now);
  return t > now ? t - now : left::zero();
}

// Converts a deadline on another clock by what is left until then.
template <class Clock, class Duration>
nanos deadline_at(hub& h, std::chrono::time_point<Clock, Duration> t) {
  return deadline_after(h, left_until(t));
}

// Throws what a cancellation that is due calls for; the cheap check that calls make which need not park after all.
inline void check_cancelled(hub& h) {
  if (current_fiber()->cancel_hint) [[unlikely]]
    throw_if_ended(h, cancellation_due(h), "checkpoint");
}

}  // namespace weft::detail
