// The hub of an OS thread, seen from outside: posting work to it from other threads, its figures, its fibers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "weft/detail/run_here.hpp"
#include "weft/detail/runtime.hpp"

namespace weft {

namespace detail {
struct hub_state;
}

// Counters since the hub was created, and a few present values.
struct hub_stats {
  std::uint64_t fibers_created;
  std::uint64_t switches;
  std::uint64_t parks;
  std::uint64_t polls;          // system calls that looked for I/O
  std::uint64_t blocked_polls;  // of those, with permission to wait
  std::uint64_t io_events;
  std::uint64_t timers_fired;
  std::uint64_t remote_wakes;
  std::size_t fibers;           // alive now, main included
  std::size_t timers;           // armed now
  std::size_t stacks;           // in use now
  std::size_t most_stacks;      // in use at once
  const char* poller;           // "epoll" or "select"
};

// A handle on a hub; copyable, usable from every OS thread, and after the hub has ended.
class WEFT_API hub {
public:
  // The calling OS thread's hub, created if need be.
  static hub current();

  hub(const hub& other) noexcept;
  hub& operator=(const hub& other) noexcept;
  ~hub();

  // Runs fn() in a new fiber of the hub (asyncio's call_soon_threadsafe). From any OS thread; not from signal handlers. Posts of
  // one thread start in their order. Throws hub_closed when the hub's thread has ended, bad_alloc.
  void post(std::function<void()> fn) const;
  // A coroutine runs as a part of that fiber.
  template <class F>
    requires detail::returns_task<F&>
  void post(F fn) const {
    post(std::function<void()>([fn = std::move(fn)]() mutable { detail::run_here(fn); }));
  }

  // Only on the hub's own thread; throws wrong_hub elsewhere.
  hub_stats stats() const;

  friend bool operator==(const hub& a, const hub& b) noexcept { return a.state_ == b.state_; }

private:
  friend struct detail::hub_state;
  explicit hub(detail::hub_state* s) noexcept;
  detail::hub_state* state_;
};

inline hub this_hub() { return hub::current(); }

// Every fiber of this thread's hub: name, state, park reason, who holds the lock that it waits for, age, where it was spawned, backtrace
// (gevent.util.print_run_info); then those who wait for one another in a circle.
std::string WEFT_API run_info();
// Writes run_info() to standard error.
WEFT_API void print_run_info();

// A fiber ended by an exception that nobody asked about.
struct unobserved_failure {
  std::string_view fiber_name;  // empty when it had none
  std::exception_ptr exception;
  std::string_view text;        // type and what()
};
// Replaces what happens to unobserved failures of all hubs (default: a report on standard error); an empty function restores it.
// The handler runs in whatever fiber dropped the last handle, and must not throw.
WEFT_API void on_error(std::function<void(const unobserved_failure&)> handler);

// How long the end of main (and of every OS thread with a hub) waits for cancelled fibers; 2 s unless WEFT_GRACE_MS says else.
WEFT_API void set_grace_period(std::chrono::nanoseconds d);

}  // namespace weft
