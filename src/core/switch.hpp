// The hot path of every park and wake, inline: the ready queue and the switch. What is rare stands in context.cpp and hub.cpp.
//
// Everything a park does after the jump is in one function (park or yield): each further return would be predicted from the
// fiber that was left.
#pragma once

#include "core/hub.hpp"
#include "core/switch_x86_64.hpp"
#include "core/trace.hpp"

namespace weft::core {

void announce_switch(hub& h, fiber_base* from, fiber_base* to, void** fake_stack) noexcept;
void announce_arrival(hub& h, fiber_base* from, void* fake_stack) noexcept;
// The fiber that just left is over: nobody stands on its stack any more.
void reap(hub& h, fiber_base* f) noexcept;
// For a fiber that leaves more behind than a stack and errno: vector registers, exceptions in flight, sanitizers to be told.
void jump_with_care(hub& h, fiber_base* self, fiber_base* next) noexcept;
// Binds a stack to a fiber that has none. False when there is none to be had.
bool bind(hub& h, fiber_base* f) noexcept;
// For a fiber that has no stack yet: binds one. The fiber to run instead, which is another one when there was no stack, and the tasks'
// driver when the turn is a task's.
fiber_base* first_run(hub& h, fiber_base* next) noexcept;
void shuffle_ready(hub& h) noexcept;

// On the kernel's alternate signal stack, or inside Weft itself, there is no way back from a switch.
inline bool no_way_back(const detail::carrier* c) noexcept {
  std::uint64_t here;
  asm("mov %%rsp, %0" : "=r"(here));
  return c->in_weft != 0 || here - c->signal_stack < c->signal_stack_size;
}

// Appends to the ready queue.
inline void append_ready(hub& h, fiber_base* f) noexcept {
  f->next = nullptr;
  if (h.ready_last != nullptr)
    h.ready_last->next = f;
  else
    h.ready_first = f;
  h.ready_last = f;
}

inline void make_ready(hub& h, fiber_base* f) noexcept {
  f->state = fiber_state::ready;
  append_ready(h, f);
}

inline void make_ready(fiber_base* f) noexcept { make_ready(*f->home, f); }

// Whether `w`, which is linked nowhere or about to be unlinked, has only to be woken: it is parked without a timer, and nobody records
// that.
[[gnu::always_inline]] inline bool wakes_plainly(const waiter& w) noexcept {
  return w.result == wake::pending && w.timer.position == 0 && w.fiber->parked == &w && !w.fiber->home->traced;
}

// Ends such a wait. Returns the fiber, which is to be made ready.
[[gnu::always_inline]] inline fiber_base* wake_plainly(waiter& w) noexcept {
  fiber_base* f = w.fiber;
  w.result = wake::ready;
  f->parked = nullptr;
  ++f->epoch;
  return f;
}

// Ends the wait unless it is over, and withdraws it: besides wake_plainly the one place where a waiter moves on.
[[gnu::always_inline]] inline bool end_wait(waiter& w, wake why) noexcept {
  if (w.result != wake::pending) return false;
  w.result = why;
  fiber_base* f = w.fiber;
  if (w.linked()) w.unlink();
  if (w.timer.position != 0) [[unlikely]]
    f->home->timers.disarm(w.timer);
  if (why != wake::ready && w.on_abort != nullptr) w.on_abort(&w);
  if (f->parked == &w) [[likely]] {  // else it has not come to park yet, and will find the result there
    f->parked = nullptr;
    hub& h = *f->home;
    if (h.traced) [[unlikely]]
      trace::wake(h, f, why);
    ++f->epoch;
    make_ready(h, f);
  }
  return true;
}

// First park of a fiber: from now on hub::main's list knows it. Fibers that never park never pay for it.
inline void enlist(hub& h, fiber_base* f) noexcept {
  f->unlisted = false;
  f->all_prev = &h.main;
  f->all_next = h.main.all_next;
  if (f->all_next != nullptr) f->all_next->all_prev = f;
  h.main.all_next = f;
}

// From now on whoever wakes, cancels or looks at `self` finds that it waits.
[[gnu::always_inline]] inline void begin_wait(hub& h, fiber_base* self, waiter& w, detail::nanos deadline) noexcept {
  if (deadline != detail::never) {
    w.timer.fire = wake_timed_out;
    detail::timer_arm(h, w.timer, deadline);
  }
  if (self->unlisted) [[unlikely]]
    enlist(h, self);
  w.since = h.cached_now;
  self->parked = &w;
  self->state = fiber_state::parked;
  ++h.stats.parks;
  if (h.traced) [[unlikely]]
    trace::park(h, w, deadline);
}

// The wait ends before it has begun.
inline void refuse_wait(waiter& w, wake why) noexcept {
  if (w.linked()) w.unlink();
  w.result = why;
  if (w.on_abort != nullptr) w.on_abort(&w);
}

inline fiber_base* pop_ready(hub& h) noexcept {
  if (h.shuffle != 0) [[unlikely]]
    shuffle_ready(h);
  fiber_base* f = h.ready_first;
  h.ready_first = f->next;
  if (h.ready_first == nullptr) h.ready_last = nullptr;
  return f;
}

// Whether all that the last reference leaves to be done is to give the block back.
inline bool leaves_quietly(const hub& h, const fiber_base* f) noexcept {
  return !f->green && h.inbox.quick_empty() && !leaves_something(f);
}

inline void give_block(hub& h, fiber_base* f) noexcept {
  ++f->epoch;  // a waker that names one of its parks must not meet another fiber's
  --h.blocks_out;
  h.blocks.give(f, f->ops->size);
}

// Of the word that begins at fiber_base::cancel_hint; `call`, its third byte, is no business of a park.
inline constexpr std::uint64_t cancel_and_vectors = 0xffff, unlisted_bit = 0x01000000, in_task_bit = 0x02000000;

// Not 0 when a park or yield of `f` is out of the ordinary.
[[gnu::always_inline]] inline std::uint64_t unusual(const hub& h, const fiber_base* f) noexcept {
  std::uint32_t word;
  __builtin_memcpy(&word, &f->cancel_hint, sizeof word);
  return (word & (cancel_and_vectors | unlisted_bit | in_task_bit)) | h.shuffle;
}

// At the very top of a fiber's stack.
struct stack_head {
  void* tsan;
  // Where the fiber that used this stack before stands, in `entry`: the next one goes on from there. Null in a fresh (zero) page, and
  // where sanitizers follow the stacks.
  void* idle;
};

inline stack_head* head_of(const stack* s, unsigned log2) noexcept {
  return reinterpret_cast<stack_head*>(stack_pool::top(s, log2)) - 1;
}

// The fiber that runs in the place of `next`, who has no context: itself, when a stack lies ready for it; of a task the driver.
[[gnu::always_inline]] inline fiber_base* first_turn(hub& h, fiber_base* next) noexcept {
  if (next->in_task) {
    h.tasks.due = next;
    return h.tasks.driver;
  }
  const unsigned log2 = next->stack_log2;
  stack* s = h.stacks.take_warm(log2, [&](const stack* ready) noexcept {
    next->context = head_of(ready, log2)->idle;
    return next->context != nullptr;
  });
  if (s == nullptr) [[unlikely]]
    return first_run(h, next);
  next->stk = s;
  return next;
}

// Every so many switches the cycle counter tells whether I/O has waited long enough (next_ready).
inline constexpr std::uint32_t switches_between_looks = 32;

// The next fiber to run.
inline fiber_base* pick(hub& h) noexcept {
  if (h.ready_first != nullptr && ++h.ticks % switches_between_looks != 0) [[likely]]
    return pop_ready(h);
  return next_ready(h);
}

inline void arrived(hub& h, fiber_base* left) noexcept {
  if (left->state == fiber_state::done) [[unlikely]]
    reap(h, left);
}

inline void set_current(fiber_base* f) noexcept {
  asm volatile("mov %0, %%gs:24" : : "r"(f) : "memory");  // carrier::current
}

// What a switch gives back: the caller's own, again. To be used instead of the variables of before, which then need not survive.
struct back {
  hub* h;
  fiber_base* self;
};

// Not 0 when somebody is to be told of each switch, or more than a stack is to be switched.
[[gnu::always_inline]] inline std::uint32_t told(const hub& h) noexcept {
  std::uint32_t word;  // annotate, threads, turns_heard, traced
  static_assert(offsetof(hub, threads) == offsetof(hub, annotate) + 1 && offsetof(hub, traced) == offsetof(hub, annotate) + 3);
  __builtin_memcpy(&word, &h.annotate, sizeof word);
  return word;
}

// Not 0 when a fiber that leaves now must leave by jump_with_care. Everybody finds the exception globals empty when resumed: who
// leaves with something in them takes it along.
[[gnu::always_inline]] inline std::uint64_t care_needed(const hub& h) noexcept {
  return reinterpret_cast<std::uintptr_t>(h.eh->caught) | h.eh->uncaught | told(h);
}

[[gnu::always_inline]] inline back jump_to(hub& h, fiber_base* self, fiber_base* next) noexcept {
  const int error = *h.errno_at;
  set_current(next);
  const auto met = swap_stacks<hub, fiber_base>({&h, self, next}, &self->context, next->context);
  arrived(*met.hub, met.left);
  *met.hub->errno_at = error;
  return {met.hub, met.resumed};
}

// Switches from the running fiber, whose state the caller has set, to `next`.
[[gnu::always_inline]] inline back switch_to(hub& h, fiber_base* self, fiber_base* next) noexcept {
  if (next->context == nullptr) [[unlikely]]
    next = first_turn(h, next);
  next->state = fiber_state::running;
  if (next == self) {
    if (h.traced) [[unlikely]]
      trace::run(h, self);
    return {&h, self};
  }
  if (care_needed(h) != 0) [[unlikely]] {
    jump_with_care(h, self, next);
    return {&h, self};
  }
  return jump_to(h, self, next);
}

// Picks the next fiber and switches to it. What is looked at on the way (timers, posted work) runs ordinary C++: vector registers that
// belong to the caller of a system call are saved before.
[[gnu::always_inline]] inline void switch_away(hub& h, fiber_base* self) noexcept {
  if (self->live_vectors) [[unlikely]]
    with_vectors_saved(h, self, [](hub& hub, fiber_base* f) noexcept { switch_to(hub, f, pick(hub)); });
  else
    switch_to(h, self, pick(h));
}

}  // namespace weft::core

namespace weft::detail {

// park and yield in full (park.cpp).
wake park_with_care(hub& h, waiter& w, nanos deadline) noexcept;
wake yield_with_care(hub& h) noexcept;

}  // namespace weft::detail
