// What carrier::due says. It is looked at when a rewritten site's call comes back (patch/entry.S), by whoever set weft_patch_due.
#pragma once

#include "weft/detail/runtime.hpp"

namespace weft::core {

enum due_flags : std::uint32_t {
  due_signals = 1,  // for the running green thread
  due_turn = 2,     // its time is over: others go first
};

// The running green thread has woken others. One that computes between its calls lets them go first, once for each time that it was
// preempted, as the kernel's scheduler prefers who has slept. Otherwise a lock that it gives back and takes again at once would never be
// free for those who wait: ticks find it taken nearly always, and a waiter that is woken while it is free runs only after the next tick.
inline void woke_others() noexcept {
  detail::fiber_base* self = detail::current_fiber();
  if ((self->call & detail::computed) == 0) return;
  asm volatile("andb %1, %0" : "+m"(self->call) : "i"(0xff ^ detail::computed) : "memory", "cc");
  detail::this_carrier()->due |= due_turn;
}

}  // namespace weft::core
