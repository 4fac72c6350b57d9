// How the control block of a fiber or task begins its life: in few stores, none of which a load that soon follows straddles.
//
// (A load of what several young stores wrote waits until they have left the processor's store buffer.)
#pragma once

#include <new>

#include "core/switch.hpp"

namespace weft::core {

// The word that begins at fiber_base::state, of a fiber that has not run.
[[gnu::always_inline]] inline std::uint64_t newborn(unsigned stack_log2, bool in_task) noexcept {
  static_assert(static_cast<unsigned>(fiber_state::created) == 0 && static_cast<unsigned>(detail::outcome::none) == 0);
  static_assert(offsetof(fiber_base, state) == 56 && offsetof(fiber_base, stack_log2) == 58);
  return std::uint64_t{stack_log2} << 16 | std::uint64_t{unlisted_bit | (in_task ? in_task_bit : 0)} << 32;
}

// Makes a fiber_base of a block from the slab, which the caller has counted (hub::blocks_out). What outlives the block's last owner is
// its epoch.
[[gnu::always_inline]] inline fiber_base* construct(hub& h, void* at, const detail::fiber_ops* ops, std::uint64_t word,
                                                    const void* site) noexcept {
  auto* f = static_cast<fiber_base*>(at);
  f->context = nullptr;
  f->home = &h;
  f->parked = nullptr;
  f->stk = nullptr;
  f->ops = ops;
  f->refs = 2;  // the caller's and the run's own
  __builtin_memcpy(reinterpret_cast<char*>(f) + offsetof(fiber_base, state), &word, sizeof word);
  f->innermost = nullptr;
  f->extra = nullptr;
  f->site = site;
  f->all_next = f->all_prev = nullptr;
  ::new (&f->completion) detail::wait_list;
  f->created = h.cached_now;
  return f;
}

// Puts it into the ready queue for the first time.
[[gnu::always_inline]] inline void start_life(hub& h, fiber_base* f) noexcept {
  append_ready(h, f);
  ++h.stats.fibers_created;
  ++h.live;
}

[[gnu::always_inline]] inline fiber_base* begin_life(hub& h, void* at, const detail::fiber_ops* ops, std::uint64_t word,
                                                     const void* site) noexcept {
  fiber_base* f = construct(h, at, ops, word, site);
  start_life(h, f);
  return f;
}

}  // namespace weft::core
