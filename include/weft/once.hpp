// A function that runs once, whoever comes: std::call_once, whose waiters are fibers (Go's sync.Once).
//
// Without patch_all(), std::call_once and the initialisation of a function's static variable hold the OS thread when a second fiber comes
// while the first one waits inside, and then nobody runs any more.
#pragma once

#include <concepts>
#include <functional>
#include <mutex>
#include <type_traits>
#include <utility>

#include "weft/detail/run_here.hpp"
#include "weft/mutex.hpp"

namespace weft {

namespace detail {
struct once_access;
}

// Belongs to the hub that made it.
class once_flag {
public:
  // Throws std::system_error when the thread's hub cannot be made.
  once_flag() = default;
  once_flag(const once_flag&) = delete;
  once_flag& operator=(const once_flag&) = delete;

  // A call has returned.
  bool done() const noexcept { return done_; }

private:
  friend struct detail::once_access;

  mutex running_;
  bool done_ = false;
};

namespace detail {
struct once_access {
  static mutex& running(once_flag& f) noexcept { return f.running_; }
  static bool& done(once_flag& f) noexcept { return f.done_; }
};
}  // namespace detail

// Calls fn(args...), unless such a call with this flag has returned already; while another fiber is in it, parks. A call that throws, or is
// cancelled, does not count: the next one who came calls. Throws what fn throws; cancelled, deadlock, wrong_hub; std::system_error
// (resource_deadlock_would_occur) in fn itself.
template <class F, class... Args>
  requires std::invocable<F, Args...>
void call_once(once_flag& flag, F&& fn, Args&&... args) {
  detail::refuse_coroutine<std::invoke_result_t<F, Args...>>();
  if (flag.done()) return;
  const std::lock_guard held(detail::once_access::running(flag));
  if (flag.done()) return;
  static_cast<void>(std::invoke(std::forward<F>(fn), std::forward<Args>(args)...));
  detail::once_access::done(flag) = true;
}

}  // namespace weft
