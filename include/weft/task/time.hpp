// co_await of time: sleeping and yielding. In namespace weft::async are the awaited forms of calls that park a fiber elsewhere.
#pragma once

#include <chrono>

#include "weft/task/await.hpp"

namespace weft {

namespace detail {

class sleep_operation : public operation {
public:
  explicit sleep_operation(nanos ns) noexcept : operation("sleep"), ns_(ns) {}

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    enter(h);
    if (ns_ == 0) return suspend_ready(*this, result);
    return suspend_on(*this, deadline_in(current_hub(), ns_));
  }
  void await_resume() {
    woken();
    if (ns_ == 0) check_cancelled(current_hub());
  }

private:
  nanos ns_;
};

class yield_operation : public any_operation, suspension {
public:
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    check_awaits<P>();
    frame = h.address();
    return suspend_ready(*this, due_);
  }
  void await_resume() const {
    if (due_ != wake::ready) [[unlikely]]
      throw_if_ended(current_hub(), due_, "yield");
    check_cancelled(current_hub());
  }

private:
  wake due_ = wake::ready;
};

}  // namespace detail

namespace async {

// Suspends for at least `d`; a zero or negative duration yields once. Throws cancelled.
template <class Rep, class Period>
auto sleep_for(std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::sleep_operation>(detail::to_nanos(d));
}
// Suspends until `t` on its clock (what is left until then is measured once).
template <class Clock, class Duration>
auto sleep_until(std::chrono::time_point<Clock, Duration> t) {
  return sleep_for(detail::left_until(t));
}
// Lets every fiber and task that is ready now run first (asyncio.sleep(0)). Throws cancelled when that is due, before or after.
inline auto yield() noexcept { return detail::call<detail::yield_operation>(); }
// trio's checkpoint: the same.
inline auto checkpoint() noexcept { return yield(); }

}  // namespace async
}  // namespace weft
