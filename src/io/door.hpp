// What every handler of a rewritten site asks first, and how an op's answer goes back through it.
#pragma once

#include <cerrno>

#include "core/hub.hpp"
#include "io/dispatch.hpp"
#include "io/ended.hpp"
#include "io/signals.hpp"

namespace weft::io {

inline constexpr door_answer pass_on{0, 1};

// The calling thread's hub, null where a call is none of Weft's business whatever it is: the thread has no hub, is inside Weft (a
// signal handler that interrupted it included), or is a vfork child, which runs in its parent's memory.
hub* own_hub() noexcept;

// own_hub() for a call that changes what the hub has of other fibers: null also in a signal handler, which may have interrupted such a
// change. What it wakes goes through the inbox (core::hub_post).
hub* hub_at_rest() noexcept;

// The hub, null also when the process is alone with its main fiber: nobody would run meanwhile.
hub* doubtful_company() noexcept;
[[gnu::always_inline]] inline hub* company() noexcept {
  hub* h = detail::try_hub();
  if (h == nullptr) [[unlikely]]
    return nullptr;
  const detail::carrier* c = h->block;
  if ((c->in_weft | c->vfork_pid) == 0 && c->current->state == detail::fiber_state::running && h->live > 1) [[likely]]
    return h;
  return doubtful_company();
}

// In a signal handler: the hub of the thread, null where the thread has none or is a vfork child.
hub* interrupted_hub() noexcept;

// Before clone and vfork: a child that shares this memory must not be taken for this process. `waits`: the parent stands still
// until the child is gone or has its own memory.
void expect_child(bool waits) noexcept;

// After an op that a signal reached, or whose wait ended otherwise: runs the handlers that are due on this fiber and turns
// `result` into what the site gets. True: the call is to be made again (SA_RESTART).
bool settle(hub& h, detail::fiber_base* self, long& result) noexcept;

// settle's result for "let the kernel's own instruction run".
inline constexpr long passes = -5200;
// And for "the site's entry is to make the call again, when handlers have run there": of green threads only.
inline constexpr long begins_again = -5201;
constexpr door_answer answer_of(long result) noexcept { return {result, result == passes ? 1 : result == begins_again ? 2 : 0}; }

// Runs `op(hub)` for a site on a hub that has company; while it runs, signals can end the fiber's waits (signals.hpp). `vectors`: the
// site's function may keep values in vector registers, a switch from here saves them.
template <class Op>
door_answer cooperate_on(hub& h, bool vectors, Op op) noexcept {
  detail::fiber_base* self = detail::current_fiber();
  const bool before = self->live_vectors;
  for (;;) {
    self->live_vectors = vectors;
    begin_call(self);
    long result = op(h);
    const bool due = end_call(self);
    if (!due && !is_ended(result)) [[likely]] {
      self->live_vectors = before;
      return {result, 0};
    }
    const bool again = settle(h, self, result);
    self->live_vectors = before;
    if (!again) return answer_of(result);
  }
}

// When there is company, else lets the kernel's own instruction run. With the frame at hand only what the site needs is saved.
template <class Op>
door_answer cooperate(const door_frame* f, Op op) noexcept {
  hub* h = company();
  return h == nullptr ? pass_on : cooperate_on(*h, f->vectors != 0, op);
}
template <class Op>
door_answer cooperate(Op op) noexcept {
  hub* h = company();
  return h == nullptr ? pass_on : cooperate_on(*h, true, op);
}

}  // namespace weft::io
