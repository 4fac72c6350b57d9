#include "core/turns.hpp"

#include <new>

#include "core/new_fiber.hpp"
#include "core/suspend.hpp"

namespace weft::core {

// The switch stands in the loop itself: a function that switched and returned would be mispredicted, and so would the fiber that comes
// after it, for the processor would find the one's return address at the other's return.
void take_turns(hub& h, fiber_base* driver, void (*turn)(hub&, fiber_base*)) {
  fiber_base* next = h.tasks.due;  // what the driver was switched to for
  h.tasks.due = nullptr;
  for (;;) {
    if (next != nullptr) {
      turn(h, next);
      set_current(driver);
    }
    next = pick(h);
    if (next->in_task) continue;
    driver->state = fiber_state::parked;
    ++h.stats.other_switches;
    switch_to(h, driver, next);
    next = h.tasks.due;
    h.tasks.due = nullptr;
  }
}

bool make_driver(hub& h, const detail::fiber_ops* ops) noexcept {
  const detail::fiber_block block = detail::fiber_alloc(h, ops->size, 0);
  if (block.at == nullptr) return false;
  auto* f = ::new (block.at) fiber_base;
  f->home = &h;
  f->ops = ops;
  f->stack_log2 = block.stack_log2;
  f->service = true;
  f->state = fiber_state::parked;
  if (!bind(h, f)) {
    detail::fiber_dealloc(h, block, ops->size);
    return false;
  }
  --h.blocks_out;  // it goes with the hub
  h.tasks.driver = f;
  return true;
}

}  // namespace weft::core

namespace weft::detail {

bool suspend_on(waiter& w, nanos deadline) noexcept { return core::suspend_here(w, deadline); }

bool suspend_ready(suspension& s, wake& due) noexcept {
  fiber_base* self = current_fiber();
  hub& h = *self->home;
  if (driven* by = h.tasks.by_fiber) {
    by->at = &s;
    by->wait = nullptr;
    by->due = &due;
    return true;
  }
  if (self->cancel_hint) [[unlikely]]
    if ((due = cancellation_due(h)) != wake::pending) return false;
  due = wake::ready;
  self->leaf = &s;
  core::make_ready(h, self);
  ++h.stats.other_switches;
  if (h.traced) [[unlikely]]
    core::trace::ready(h, self, core::trace::yielded);
  return true;
}

void transfer_later(void* frame) noexcept { current_fiber()->home->tasks.transfer = frame; }

namespace {

fiber_base* construct(hub& h, const task_ops* ops, const void* site) noexcept {
  bool fresh = false;
  void* at = h.tasks.driver == nullptr ? nullptr : h.blocks.take(ops->size, fresh);
  if (at == nullptr) return nullptr;
  ++h.blocks_out;
  return core::construct(h, at, ops, core::newborn(0, true), site);
}

[[gnu::noinline]] fiber_base* spawn_with_care(hub& h, const task_ops* ops, const void* site) noexcept {
  fiber_base* f = construct(h, ops, site);
  if (f != nullptr) task_start(f);
  return f;
}

}  // namespace

fiber_base* task_alloc(hub& h, const task_ops* ops) noexcept { return construct(h, ops, __builtin_return_address(0)); }

void task_start(fiber_base* f) noexcept {
  hub& h = *f->home;
  core::start_life(h, f);
  if (h.traced) [[unlikely]]
    core::trace::spawn(h, f);
}

fiber_base* task_spawn(hub& h, const task_ops* ops) noexcept {
  const void* site = __builtin_return_address(0);
  void* at = nullptr;
  if (h.tasks.driver != nullptr && !h.traced) [[likely]]
    at = h.blocks.take_used(ops->size);
  if (at == nullptr) [[unlikely]]
    return spawn_with_care(h, ops, site);
  ++h.blocks_out;
  return core::begin_life(h, at, ops, core::newborn(0, true), site);
}

void task_dealloc(fiber_base* f) noexcept {
  f->refs = 1;
  fiber_release(f);
}

}  // namespace weft::detail
