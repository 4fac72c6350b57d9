// The hot path of every park and wake, inline: the ready queue and the switch. What is rare stands in context.cpp and hub.cpp.
//
// Everything a park does after the jump is in one function (park or yield): each further return would be predicted from the
// fiber that was left.
#pragma once

#include "core/fcontext.hpp"
#include "core/hub.hpp"

namespace weft::core {

void announce_switch(hub& h, fiber_base* from, fiber_base* to, void** fake_stack) noexcept;
void announce_arrival(hub& h, fiber_base* from, void* fake_stack) noexcept;
// The fiber that just left is over: nobody stands on its stack any more.
// `idle` is where it stands.
void reap(hub& h, fiber_base* f, void* idle) noexcept;
void jump_with_vectors(hub& h, fiber_base* self, fiber_base* next) noexcept;
// Binds a stack to a fiber that runs for the first time; the fiber to run, which is another one when there was no stack.
fiber_base* first_run(hub& h, fiber_base* next) noexcept;
void shuffle_ready(hub& h) noexcept;

// Appends to the ready queue.
inline void make_ready(fiber_base* f) noexcept {
  hub& h = *f->home;
  f->state = fiber_state::ready;
  f->next = nullptr;
  if (h.ready_last != nullptr)
    h.ready_last->next = f;
  else
    h.ready_first = f;
  h.ready_last = f;
}

// First park of a fiber: from now on hub::main's list knows it. Fibers that never park never pay for it.
inline void enlist(hub& h, fiber_base* f) noexcept {
  f->listed = true;
  f->all_prev = &h.main;
  f->all_next = h.main.all_next;
  if (f->all_next != nullptr) f->all_next->all_prev = f;
  h.main.all_next = f;
}

inline fiber_base* pop_ready(hub& h) noexcept {
  if (h.shuffle != 0) [[unlikely]]
    shuffle_ready(h);
  fiber_base* f = h.ready_first;
  h.ready_first = f->next;
  if (h.ready_first == nullptr) h.ready_last = nullptr;
  return f;
}

// The next fiber to run. Every 16th time the cycle counter tells whether I/O has waited long enough (next_ready).
inline fiber_base* pick(hub& h) noexcept {
  if (h.ready_first != nullptr && (++h.ticks & 15) != 0) [[likely]]
    return pop_ready(h);
  return next_ready(h);
}

// make_ready(self) and pick() in one, for a yield with company: what was just stored is not loaded back.
inline fiber_base* rotate(hub& h, fiber_base* self) noexcept {
  fiber_base* next = h.ready_first;
  if (next == nullptr || h.shuffle != 0 || (++h.ticks & 15) == 0) [[unlikely]] {
    make_ready(self);
    return next_ready(h);
  }
  fiber_base* last = h.ready_last;
  h.ready_first = next == last ? self : next->next;
  h.ready_last = self;
  last->next = self;
  self->next = nullptr;
  self->state = fiber_state::ready;
  return next;
}

inline void arrived(hub& h, transfer_t from) noexcept {
  auto* left = static_cast<fiber_base*>(from.data);
  if (left->state != fiber_state::done) [[likely]]
    left->context = from.fctx;
  else
    reap(h, left, from.fctx);
}

inline void set_current(fiber_base* f) noexcept {
  asm volatile("mov %0, %%gs:24" : : "r"(f) : "memory");  // carrier::current
}

[[gnu::always_inline]] inline void jump_to(hub& h, fiber_base* self, fiber_base* next) noexcept {
  const eh_globals eh = *h.eh;
  const int error = *h.errno_at;
  ++h.stats.switches;
  set_current(next);
  void* fake_stack = nullptr;
  if (h.annotate) [[unlikely]]
    announce_switch(h, self, next, &fake_stack);
  const transfer_t from = jump(next->context, self);
  if (h.annotate) [[unlikely]]
    announce_arrival(h, static_cast<fiber_base*>(from.data), fake_stack);
  arrived(h, from);
  *h.eh = eh;
  *h.errno_at = error;
}

// Switches from the running fiber, whose state the caller has set, to `next`.
[[gnu::always_inline]] inline void switch_to(hub& h, fiber_base* self, fiber_base* next) noexcept {
  if (next->context == nullptr) [[unlikely]]
    next = first_run(h, next);
  next->state = fiber_state::running;
  if (next == self) return;
  if (self->live_vectors) [[unlikely]]
    jump_with_vectors(h, self, next);
  else
    jump_to(h, self, next);
}

}  // namespace weft::core
