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

// A signal ended the wait of a rewritten site's call; the site's door runs the handler once the op has come back (signals.hpp).
// `signalled`: then makes the call again if the handler was installed with SA_RESTART, else EINTR (the kernel's ERESTARTSYS).
// `signalled_for_good`: EINTR whatever the flags (ERESTARTNOHAND): sleeps, poll and its kin, whatever has a timeout.
inline constexpr long signalled = ended_by(wake::signalled);
inline constexpr long signalled_for_good = -5100;
constexpr long never_again(long result) noexcept { return result == signalled ? signalled_for_good : result; }

}  // namespace weft::io
