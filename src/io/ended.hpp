// What an op returns besides the kernel's answers (>= 0, or -errno): that its wait ended for a reason of Weft's own.
//
// These codes lie below every errno. Doors translate them: the rewritten sites to ECANCELED, the C++ face to exceptions. Never
// hand one to a program.
#pragma once

#include "weft/detail/runtime.hpp"

namespace weft::io {

using detail::hub;
using detail::nanos;
using detail::never;
using detail::wake;

inline constexpr long lowest_errno = -4095;

constexpr long ended_by(wake why) noexcept { return -5000 - static_cast<long>(why); }
constexpr bool is_ended(long result) noexcept { return result < lowest_errno; }
constexpr wake why_ended(long result) noexcept { return static_cast<wake>(-5000 - result); }

inline constexpr long timed_out = ended_by(wake::timeout);

}  // namespace weft::io
