// The hub's clock: what timeouts, timers and sleeps go by (asyncio's loop.time(), trio.current_time()).
//
// CLOCK_MONOTONIC, as std::chrono::steady_clock; under a testing::virtual_clock its time. So code that notes when it has to be done, and
// sleeps until then, is tested without waiting: sleep_until, fail_at, call_at and the like take its points of time.
#pragma once

#include <chrono>
#include <cstdint>

#include "weft/detail/runtime.hpp"

namespace weft {

// A clock of <chrono>. It runs steadily, except where a virtual clock begins or ends.
struct hub_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<hub_clock>;
  static constexpr bool is_steady = true;

  // The calling OS thread's hub's. Never parks. Throws std::system_error when the thread's hub cannot be made.
  static time_point now() { return time_point(duration(static_cast<rep>(detail::now(detail::current_hub())))); }
};

}  // namespace weft
