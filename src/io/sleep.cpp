// nanosleep and clock_nanosleep. Deadlines are on the hub's clock, so a test's virtual clock moves them too.
#include <cerrno>
#include <ctime>

#include "core/hub.hpp"
#include "io/durations.hpp"
#include "io/ops.hpp"
#include "io/user_memory.hpp"
#include "sys/clock.hpp"

namespace weft::io {
namespace {

long sleep_until(hub& h, nanos deadline) noexcept {
  detail::waiter w("sleep");
  const wake why = detail::park(h, w, deadline);
  return why == wake::timeout ? 0 : never_again(ended_by(why));
}

}  // namespace

long nanosleep(hub& h, const timespec* wanted, timespec* left) noexcept {
  return clock_nanosleep(h, CLOCK_MONOTONIC, 0, wanted, left);
}

long clock_nanosleep(hub& h, int clock, int flags, const timespec* wanted, timespec* left) noexcept {
  timespec t;
  if (!copy_in(&t, wanted, sizeof t)) return -EFAULT;
  if (!valid(t)) return -EINVAL;
  if ((flags & TIMER_ABSTIME) == 0) {
    const nanos deadline = deadline_in(h, length_of(t));
    const long slept = sleep_until(h, deadline);
    return slept == signalled_for_good && left != nullptr && !give_left(h, deadline, left) ? -EFAULT : slept;
  }
  // Another clock than the hub's: what is left on it is slept, and looked at again, for that clock can be set.
  for (;;) {
    const nanos now = sys::clock_ns(clock), end = length_of(t);
    if (now >= end) return 0;
    const long slept = sleep_until(h, deadline_in(h, end - now));
    if (slept != 0 || h.virtual_time) return slept;
  }
}

}  // namespace weft::io
