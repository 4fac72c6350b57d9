// The border between C and C++: no exception leaves a function of weft.h, each becomes -1 and an errno.
//
// Forced unwinding (pthread_exit) is not an exception of ours and passes.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "weft/detail/wait.hpp"

namespace weft::capi {

// The errno of the exception being handled; a deadlock's report goes to standard error. Rethrows forced unwinding.
int errno_of_current_exception();

inline int fail(int error) noexcept {
  errno = error;
  return -1;
}

// fn() for a number, with exceptions as -1; fn may return void for 0.
template <class F>
auto guarded(F&& fn) {
  using result = std::invoke_result_t<F>;
  using number = std::conditional_t<std::is_void_v<result>, int, result>;
  try {
    if constexpr (std::is_void_v<result>) {
      std::forward<F>(fn)();
      return number{0};
    } else {
      return std::forward<F>(fn)();
    }
  } catch (...) {
    return static_cast<number>(fail(errno_of_current_exception()));
  }
}

// A wait with a timeout of weft.h: `wait` for ever, `look` for 0, `within` a length else; ETIMEDOUT where those two say false.
template <class Wait, class Look, class Within>
int timed(std::int64_t timeout, Wait wait, Look look, Within within) {
  return guarded([&] {
    if (timeout < 0)
      wait();
    else if (!(timeout == 0 ? look() : within(std::chrono::nanoseconds(timeout))))
      return fail(ETIMEDOUT);
    return 0;
  });
}
template <class Wait, class Within>
int timed(std::int64_t timeout, Wait wait, Within within) {
  return timed(timeout, wait, [&] { return within(std::chrono::nanoseconds(0)); }, within);
}

// fn() for a pointer, with exceptions as null.
template <class F>
auto guarded_pointer(F&& fn) -> std::invoke_result_t<F> {
  try {
    return std::forward<F>(fn)();
  } catch (...) {
    errno = errno_of_current_exception();
    return nullptr;
  }
}

// A timeout of weft.h as a deadline.
inline detail::nanos deadline_of(detail::hub& h, std::int64_t timeout) noexcept {
  return timeout < 0 ? detail::never : detail::deadline_in(h, static_cast<detail::nanos>(timeout));
}

}  // namespace weft::capi
