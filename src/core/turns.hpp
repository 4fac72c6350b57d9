// The turns of tasks. A task is a runnable without a stack: its control block stands in the ready queue among those of the fibers,
// first come, first served, and one fiber of the hub, the driver, has its turn in its place.
//
// Why in the same queue: fibers and tasks that wake each other then run in the order of their wakes, whatever they are, and shuffled
// schedules, polling and the end of the hub know no difference. Why this costs fibers nothing: a task has no context, so its turn is met
// where the first run of a fiber is, off the hot path. From task to task the driver needs no switch at all.
#pragma once

#include "weft/detail/turns.hpp"

namespace weft::core {

struct fd_entry;  // core/fd_table.hpp

// What an op would have waited for, had it been a fiber's: a coroutine's op is refused its park and leaves this, waits for it by co_await,
// and is tried again (src/task/io.cpp).
struct refused_wait {
  enum : std::uint8_t { none, descriptor, pause } what = none;
  bool plain = false;           // for a plain TCP stream, by a receive without flags: it has only to be tried again
  std::uint32_t version = 0;  // of the descriptor, which is watched already (io/watchers.hpp)
  std::uint32_t events = 0;
  fd_entry* entry = nullptr;
  detail::nanos deadline = detail::never;
};

// Of one hub.
struct task_turns {
  detail::fiber_base* driver = nullptr;  // made with the first task; no handle names it, and nobody cancels it
  detail::fiber_base* due = nullptr;     // whose turn it is, set by the fiber that switches to the driver
  detail::driven* by_fiber = nullptr;    // while a fiber runs a coroutine as a part of itself
  void* transfer = nullptr;              // frame to go on with (detail::transfer_later)
  refused_wait refused;
};

// The driver's life: gives each task its turn, in which `turn` runs, and lets fibers run between them.
[[noreturn]] void take_turns(detail::hub& h, detail::fiber_base* driver, void (*turn)(detail::hub&, detail::fiber_base*));

// Makes the driver, whose body is `ops`; false when there is no memory or stack for it.
bool make_driver(detail::hub& h, const detail::fiber_ops* ops) noexcept;

}  // namespace weft::core
