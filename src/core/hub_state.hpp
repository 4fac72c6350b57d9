// The ordinary C++ side of a hub: what outlives it, what handles and other threads hold on to. Not for the freestanding files.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/hub.hpp"
#include "weft/error.hpp"

namespace weft::detail {

struct hub_signals;

// Shared by the hub's thread and by every weft::hub handle. `home` is null once the thread has ended; posting takes the lock so
// that a hub cannot end between the look and the push.
struct hub_state {
  explicit hub_state(hub* h) noexcept : home(h) {}

  std::atomic<int> refs{1};
  std::mutex lock;
  hub* home;
  bool ended = false;  // its thread will not touch the hub any more: who drops the last handle frees it
  // Weft's own per-hub services (resolver, ...) register what must end before the hub does.
  std::vector<std::function<void()>> at_end;
  // What the hub listens to (src/sync/signal_source.hpp), made on first use.
  std::shared_ptr<hub_signals> signals;
  // What main waited for when nothing could wake it any more, and who else waits in a circle: told before it was woken for that.
  std::string deadlock_of_main, deadlocked_circles;

  static hub_state& of(hub& h) noexcept { return *static_cast<hub_state*>(h.face); }
  void retain() noexcept { refs.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
};

}  // namespace weft::detail

namespace weft::core {

// The rare part of a fiber, made when first asked for. Throws bad_alloc.
detail::fiber_extra& extra_of(fiber_base* f);

// Runs the body of a fiber that asked for a thread of its own. Set by src/green.
extern void (*invoke_on_own_thread)(fiber_base* f);
// What was thrown at one fiber is another's to see.
void hand_on_thrown(fiber_base* from, fiber_base* to);
// The running fiber's fiber_local values and name go.
void drop_extra(fiber_base* f) noexcept;

// What a deadlock of main's says, who waited for that reason (run_info.cpp).
std::string deadlock_report(hub& h, const char* reason);

// Appends, a line each, the coroutines that await one another, from the one that is suspended in `at` outwards. Set by src/task.
extern void (*describe_awaits)(const detail::suspension& at, std::string& out);

// Destroys a fiber's fiber_local values, on the fiber's own stack, after its body. Set by src/sync.
extern void (*destroy_fiber_locals)(void* locals) noexcept;

// False where the GS base of a thread cannot be set: then no inline function of Weft may run, and nothing be patched.
bool can_run_here() noexcept;

// The block that threads without a hub look at: what a GS base must point at before any inline function runs.
const detail::carrier* empty_block() noexcept;

// Told of every new hub, on its thread, when it is ready for use. Set by src/sync (SIGINT).
extern void (*on_hub_created)(hub& h) noexcept;

// Told of every hub that ends, on its thread, when none of its fibers will run again. Set by src/io (futexes).
extern void (*on_hub_ended)(hub& h) noexcept;

// WEFT_WATCHDOG, read once (watchdog.cpp).
void watch_from_environment() noexcept;
// In the child of a fork, which has no watchdog thread.
void forget_watchdog() noexcept;

// Around fork(2): the registry's lock is held across it, and the child forgets the hubs of threads that it does not have.
void hold_registry() noexcept;
void release_registry() noexcept;
void release_registry_in_child() noexcept;

// Calls `fn` for every living hub, under the lock that keeps hubs from ending: no parking in it.
void for_each_hub(const std::function<void(hub&)>& fn);

// Hands a node to the hub, from any thread. False, and the node stays the caller's, when the hub has ended.
bool post_node(detail::hub_state& state, remote_node& n);

// Gives a reference back when the hub of the fiber has ended, from any thread; with the last one of all, what is left of the hub.
void release_after_end(fiber_base* f) noexcept;

// Runs fn() in a new fiber of the hub, from any thread. False when the hub has ended.
bool post_function(detail::hub_state& state, std::function<void()> fn);

// In a handler: the fiber has ended by what is being handled.
void note_exception(fiber_base* f) noexcept;

// Reports a failure nobody asked about, through on_error's handler.
void report_failure(fiber_base* f, const std::exception_ptr& failure) noexcept;

// Whether an exception is weft::cancelled.
bool is_cancelled(const std::exception_ptr& e) noexcept;

// "type: what()" of an exception.
std::string describe(const std::exception_ptr& e);

}  // namespace weft::core
