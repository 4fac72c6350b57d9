// Lengths of time as programs give them, in nanoseconds; what is too long to count is `never`.
#pragma once

#include <cerrno>
#include <ctime>

#include "io/ended.hpp"
#include "io/user_memory.hpp"
#include "sys/clock.hpp"

namespace weft::io {

inline bool valid(const timespec& t) noexcept { return t.tv_sec >= 0 && t.tv_nsec >= 0 && t.tv_nsec < 1'000'000'000; }

inline nanos length_of(const timespec& t) noexcept {
  if (static_cast<nanos>(t.tv_sec) >= never / sys::ns_per_s) return never;
  return static_cast<nanos>(t.tv_sec) * sys::ns_per_s + static_cast<nanos>(t.tv_nsec);
}

inline nanos deadline_in(hub& h, nanos length) noexcept {
  const nanos now = detail::now(h);
  return length > never - now ? never : now + length;
}

inline nanos left_until(hub& h, nanos deadline) noexcept {
  const nanos now = detail::now(h);
  return deadline > now ? deadline - now : 0;
}

// A limit of a program's: its length, `never` for null. 0, -EFAULT or -EINVAL.
inline long take_limit(const timespec* user, nanos& length) noexcept {
  length = never;
  if (user == nullptr) return 0;
  timespec t;
  if (!copy_in(&t, user, sizeof t)) return -EFAULT;
  if (!valid(t)) return -EINVAL;
  length = length_of(t);
  return 0;
}

// Stores what is left of a limit where the program keeps it. False where the kernel would give EFAULT.
inline bool give_left(hub& h, nanos deadline, timespec* user) noexcept {
  const timespec left = sys::to_timespec(left_until(h, deadline));
  return copy_out(user, &left, sizeof left);
}

}  // namespace weft::io
