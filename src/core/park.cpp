// Parking and waking: the one place where a fiber suspends, and everything that can end it.
//
// States of a wait: `pending` until exactly one waker (event, timer, cancellation, deadlock) moves it on in `end_wait`
// (switch.hpp), which at the same time withdraws it: unlinked, timer disarmed. A second waker finds it not pending and does nothing.
#include "core/hub.hpp"
#include "core/switch.hpp"
#include "weft/detail/switch_call.hpp"

namespace weft::core {
namespace {

waiter& waiter_of(detail::timer_node* t) noexcept {
  return *reinterpret_cast<waiter*>(reinterpret_cast<char*>(t) - offsetof(waiter, timer));
}

scope& scope_of(detail::timer_node* t) noexcept {
  return *reinterpret_cast<scope*>(reinterpret_cast<char*>(t) - offsetof(scope, timer));
}

// What is due for `f`, shields considered; `pending` when nothing is. What parks while exceptions unwind the fiber (`uncaught` of
// them) is a destructor that cleans up: it is let finish, but scopes that it entered itself still count.
wake due_for(const fiber_base* f, std::uint32_t uncaught) noexcept {
  if (uncaught == 0 && f->extra != nullptr && f->extra->thrown != nullptr) return wake::interrupted;
  for (const scope* s = f->innermost; s != nullptr; s = s->parent) {
    if (s->cancelled && s->uncaught == uncaught) return wake::cancelled;
    if (s->shielded) return wake::pending;
  }
  return uncaught == 0 && f->cancel_requested ? wake::cancelled : wake::pending;
}

void recompute_hint(fiber_base* f) noexcept {
  bool hint = f->cancel_requested || (f->extra != nullptr && f->extra->thrown != nullptr);
  for (const scope* s = f->innermost; s != nullptr && !hint; s = s->parent) hint = s->cancelled;
  f->cancel_hint = hint;
}

// A reason to stop has come up for `f`: ends its park if that may be ended.
void deliver(fiber_base* f) noexcept {
  f->cancel_hint = true;
  waiter* w = f->parked;
  if (w == nullptr || w->uncancellable || w->result != wake::pending) return;
  const wake due = due_for(f, w->uncaught);
  if (due != wake::pending) detail::unpark(*w, due);
}

void scope_timed_out(detail::timer_node* t) noexcept {
  scope& s = scope_of(t);
  s.by_deadline = true;
  detail::scope_cancel(s);
}

}  // namespace

void wake_timed_out(detail::timer_node* t) noexcept { detail::unpark(waiter_of(t), wake::timeout); }

bool parking_impossible(const hub& h) noexcept { return no_way_back(h.block) || h.block->current->in_task; }

// A sleeper's control block and stack have long left the caches: they are fetched before its turn comes.
void sleeper_nears(const detail::timer_node& t, int stage) noexcept {
  if (t.fire != wake_timed_out) return;
  const fiber_base* f = waiter_of(const_cast<detail::timer_node*>(&t)).fiber;
  if (stage == 0) {
    __builtin_prefetch(f, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(f) + 64);
  } else if (f->state == fiber_state::parked) {
    const auto* frame = static_cast<const char*>(f->context);
    __builtin_prefetch(frame);
    __builtin_prefetch(frame + 64);
    __builtin_prefetch(frame + 128);
  }
}

fd_node::fd_node(waiter& w, std::uint32_t wanted) noexcept : events(wanted), target(&w) {
  notify = [](wait_node* self) noexcept { detail::unpark(*static_cast<fd_node*>(self)->target); };
}

}  // namespace weft::core

namespace weft::detail {

using core::due_for;
using core::recompute_hint;

[[gnu::noinline]] static void wake_with_care(waiter& w) noexcept { core::end_wait(w, wake::ready); }

void waiter::wake_ready(wait_node* self) noexcept {
  auto& w = *static_cast<waiter*>(self);
  if (w.linked() || !core::wakes_plainly(w)) [[unlikely]]
    return wake_with_care(w);
  hub& h = *w.fiber->home;
  core::make_ready(h, core::wake_plainly(w));
}

wake cancellation_due(hub& h) noexcept {
  const fiber_base* f = h.block->current;
  return f->cancel_hint ? due_for(f, h.eh->uncaught) : wake::pending;
}

wake park_with_care(hub& h, waiter& w, nanos deadline) noexcept {
  fiber_base* self = w.fiber;
  wake refused = wake::pending;
  if (core::parking_impossible(h)) [[unlikely]]
    refused = wake::impossible;
  else if (self->cancel_hint && !w.uncancellable) [[unlikely]]
    refused = cancellation_due(h);
  // A waker may have come first: what it handed over is not lost, and what is due for the fiber waits for its next park.
  if (refused != wake::pending && w.result == wake::pending) [[unlikely]] {
    core::refuse_wait(w, refused);
    return refused;
  }
  if (w.result != wake::pending) [[unlikely]]
    return w.result;
  w.uncaught = h.eh->uncaught;
  core::begin_wait(h, self, w, deadline);
  core::switch_away(h, self);
  return w.result;
}

bool unpark(waiter& w, wake why) noexcept { return core::end_wait(w, why); }

bool wake_if_current(waker w, wake why) noexcept {
  return w.fiber->epoch == w.epoch && w.fiber->parked != nullptr && unpark(*w.fiber->parked, why);
}

// A call that a signal has reached waits no more: an interrupted offloaded write came back with a part of its bytes, say, and the op
// goes on with the rest.
[[gnu::noinline, gnu::cold]] static bool refused_by_signal(waiter& w) noexcept {
  if (w.uninterruptible || w.result != wake::pending) return false;
  core::refuse_wait(w, wake::signalled);
  return true;
}

// The compiler sees no call in park_here, and may leave the stack as it came. What the hub calls from there is ordinary C++ (posted
// work, signal handlers), which expects it to be aligned.
[[gnu::force_align_arg_pointer]] wake park(hub& h, waiter& w, nanos deadline) noexcept {
  constexpr std::uint8_t both = in_call | signal_due;
  if ((w.fiber->call & both) == both) [[unlikely]]
    if (refused_by_signal(w)) return wake::signalled;
  return park_here(h, w, deadline);
}

wake yield_with_care(hub& h) noexcept {
  fiber_base* self = current_fiber();
  if (self->cancel_hint) [[unlikely]]
    if (const wake due = cancellation_due(h); due != wake::pending) return due;
  if (core::parking_impossible(h)) [[unlikely]]
    return wake::impossible;
  core::make_ready(self);
  ++h.stats.other_switches;
  if (h.traced) [[unlikely]]
    core::trace::ready(h, self, core::trace::yielded);
  core::switch_away(h, self);
  return self->cancel_hint ? cancellation_due(h) : wake::ready;
}

[[gnu::force_align_arg_pointer]] wake yield(hub& h) noexcept { return rotate_here(h); }

void scope_enter(hub& h, scope& s, nanos deadline) noexcept {
  fiber_base* f = h.block->current;
  s.fiber = f;
  s.uncaught = h.eh->uncaught;
  s.parent = f->innermost;
  f->innermost = &s;
  if (s.cancelled) f->cancel_hint = true;
  if (deadline != never) {
    s.timer.fire = core::scope_timed_out;
    timer_arm(h, s.timer, deadline);
  }
}

bool scope_exit(hub& h, scope& s) noexcept {
  fiber_base* f = s.fiber;
  timer_disarm(h, s.timer);
  f->innermost = s.parent;
  s.fiber = nullptr;
  s.parent = nullptr;
  if (!f->cancel_hint) return false;
  recompute_hint(f);
  return s.cancelled && (s.shielded || due_for(f, h.eh->uncaught) != wake::cancelled);
}

void scope_cancel(scope& s) noexcept {
  s.cancelled = true;
  if (s.fiber != nullptr) core::deliver(s.fiber);
}

void scope_deadline(scope& s, nanos deadline) noexcept {
  hub& h = *s.fiber->home;
  timer_disarm(h, s.timer);
  if (deadline == never || s.cancelled) return;
  s.timer.fire = core::scope_timed_out;
  timer_arm(h, s.timer, deadline);
}

nanos first_deadline(hub& h) noexcept {
  const fiber_base* f = h.block->current;
  nanos first = never;
  for (const scope* s = f->innermost; s != nullptr; s = s->parent) {
    if (s->cancelled) return 0;
    if (s->timer.position != 0 && s->timer.deadline < first) first = s->timer.deadline;
    if (s->shielded) return first;
  }
  return f->cancel_requested ? 0 : first;
}

void scope_shield(scope& s, bool on) noexcept {
  s.shielded = on;
  if (!on && s.fiber != nullptr && s.fiber->cancel_hint) core::deliver(s.fiber);
}

void fiber_cancel(fiber_base* f) noexcept {
  if (f->state == fiber_state::done) return;
  f->cancel_requested = true;
  core::deliver(f);
}

void fiber_interrupt(fiber_base* f) noexcept { core::deliver(f); }

}  // namespace weft::detail
