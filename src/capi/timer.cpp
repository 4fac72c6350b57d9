// weft.h: timers.
#include "capi/guard.hpp"
#include "weft/timer.hpp"
#include "weft/weft.h"

using namespace weft::capi;

struct weft_timer {
  weft::timer_handle object;
};

int weft_call_later(weft_timer** timer, int64_t delay, int64_t period, void (*fn)(void*), void* arg) {
  if (fn == nullptr || delay < 0 || period < 0) return fail(EINVAL);
  return guarded([&] {
    auto handle = std::make_unique<weft_timer>();
    weft::detail::hub& h = weft::detail::current_hub();
    handle->object = weft::timer_handle(weft::detail::start_timer(h, weft::detail::make_timed_call(fn, arg),
                                                                  weft::detail::deadline_in(h, static_cast<weft::detail::nanos>(delay)),
                                                                  static_cast<weft::detail::nanos>(period)));
    if (timer != nullptr) *timer = handle.release();
    return 0;
  });
}

int weft_timer_cancel(weft_timer* timer) {
  return guarded([&] { return timer->object.cancel() ? 1 : 0; });
}

void weft_timer_release(weft_timer* timer) { delete timer; }
