// Lengths of time as programs give them, in nanoseconds; what is too long to count is `never`.
#pragma once

#include <ctime>

#include "io/ended.hpp"
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

}  // namespace weft::io
