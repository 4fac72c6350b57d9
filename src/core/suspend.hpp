// detail::suspend_on inline, for the awaits that decide how fast a server is.
#pragma once

#include "core/switch.hpp"
#include "weft/detail/turns.hpp"

namespace weft::core {

[[gnu::always_inline]] inline bool suspend_here(waiter& w, detail::nanos deadline) noexcept {
  fiber_base* self = w.fiber;
  hub& h = *self->home;
  if (detail::driven* by = h.tasks.by_fiber) {
    by->at = &detail::suspension_of(w);
    by->wait = &w;
    by->deadline = deadline;
    return true;
  }
  if (w.result != wake::pending) return false;
  if (self->cancel_hint && !w.uncancellable) [[unlikely]] {
    if (const wake due = detail::cancellation_due(h); due != wake::pending) {
      refuse_wait(w, due);
      return false;
    }
  }
  w.uncaught = 0;  // no co_await stands in a handler or a destructor
  self->leaf = &detail::suspension_of(w);
  begin_wait(h, self, w, deadline);
  return true;
}

}  // namespace weft::core
