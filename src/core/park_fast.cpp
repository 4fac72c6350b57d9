// The usual park and the usual yield: what is left of them when nothing is out of the ordinary.
//
// Reached only by inline code that expects every register to change (switch_call.hpp, entry_x86_64.S). So this file is built
// without callee-saved registers, where the compiler can: nothing is saved that nobody needs.
#include "core/hub.hpp"
#include "core/switch.hpp"

namespace weft::detail {

// weft_switch_park and weft_switch_yield call these.
extern "C" {
[[gnu::visibility("hidden")]] wake weft_switch_park_plain(hub& h, waiter& w, nanos deadline) noexcept;
[[gnu::visibility("hidden")]] wake weft_switch_yield_plain(hub& h) noexcept;
}

// What nearly every park does: nothing is due, there is no deadline, and somebody is ready. All else is left, untouched, to
// park_with_care.
wake weft_switch_park_plain(hub& h, waiter& w, nanos deadline) noexcept {
  fiber_base* self = w.fiber;
  fiber_base* next = h.ready_first;
  const std::uint64_t odd = core::unusual(h, self) | core::care_needed(h) | static_cast<std::uint64_t>(w.result) | ~deadline;
  if (odd != 0 || next == nullptr || (h.ticks + 1) % core::switches_between_looks == 0 || core::no_way_back(h.block))
      [[unlikely]]
    return park_with_care(h, w, deadline);
  ++h.ticks;
  h.ready_first = next->next;
  if (next->next == nullptr) h.ready_last = nullptr;
  w.uncaught = 0;
  w.since = h.cached_now;
  self->parked = &w;
  self->state = fiber_state::parked;
  ++h.stats.parks;
  if (next->context == nullptr) [[unlikely]] {
    next = core::first_turn(h, next);
    // Without a stack for it others have had their turn, and may have woken this one.
    if (next == self) [[unlikely]] {
      self->state = fiber_state::running;
      return w.result;
    }
  }
  next->state = fiber_state::running;
  core::jump_to(h, self, next);
  return w.result;
}

wake weft_switch_yield_plain(hub& h) noexcept {
  fiber_base* self = current_fiber();
  fiber_base* next = h.ready_first;
  if (((core::unusual(h, self) & ~core::unlisted_bit) | core::care_needed(h)) != 0 || next == nullptr ||
      (h.ticks + 1) % core::switches_between_looks == 0 || next->context == nullptr || core::no_way_back(h.block)) [[unlikely]]
    return yield_with_care(h);
  ++h.ticks;
  // make_ready(self) and pop_ready in one: what was just stored is not loaded back.
  fiber_base* last = h.ready_last;
  h.ready_first = next == last ? self : next->next;
  h.ready_last = self;
  last->next = self;
  self->next = nullptr;
  self->state = fiber_state::ready;
  ++h.stats.other_switches;
  next->state = fiber_state::running;
  const core::back b = core::jump_to(h, self, next);
  return b.self->cancel_hint ? cancellation_due(*b.h) : wake::ready;
}

}  // namespace weft::detail
