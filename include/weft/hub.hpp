// The hub of an OS thread, seen from outside: posting work to it from other threads, its figures, its fibers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "weft/detail/run_here.hpp"
#include "weft/detail/runtime.hpp"

namespace weft {

namespace detail {
struct hub_state;

// The function of one hub::call, shared by the caller and the fiber over there.
struct WEFT_API hub_call {
  virtual ~hub_call();
  virtual void run() = 0;
};

template <class F, class R>
struct hub_call_of final : hub_call {
  static_assert(!std::is_reference_v<R>, "what hub::call runs gives a value, no reference");
  explicit hub_call_of(F&& f) : fn(std::move(f)) {}
  void run() override {
    struct dropper {
      hub_call_of& me;
      ~dropper() { me.fn.reset(); }  // what it captured goes on its own hub
    } drop{*this};
    if constexpr (std::is_void_v<R>)
      run_here(*fn);
    else
      value.emplace(run_here(*fn));
  }
  std::optional<F> fn;
  std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value;
};
}  // namespace detail

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

  // Runs fn(), a function or a coroutine, in a new fiber of the hub, waits for it, and gives what it returns or throws
  // (trio.from_thread.run, asyncio.run_coroutine_threadsafe). From any OS thread: in a fiber of another hub it parks, on a thread
  // without a hub (a thread_pool's) it blocks, on the hub's own thread it is a plain call. Throws also hub_closed when the hub's thread
  // has ended, or ends before fn has begun; fiber_cancelled when fn was cancelled; cancelled: then fn goes on unheard, and what it
  // refers to must live. In a coroutine: inside in_fiber.
  template <class F>
  auto call(F fn) const -> decltype(detail::run_here(fn)) {
    using result = decltype(detail::run_here(fn));
    if (is_here()) return detail::run_here(fn);
    const auto c = std::make_shared<detail::hub_call_of<F, result>>(std::move(fn));
    call_there(c);
    if constexpr (!std::is_void_v<result>) return std::move(*c->value);
  }

  // Only on the hub's own thread; throws wrong_hub elsewhere.
  hub_stats stats() const;

  friend bool operator==(const hub& a, const hub& b) noexcept { return a.state_ == b.state_; }

private:
  friend struct detail::hub_state;
  bool is_here() const noexcept;
  void call_there(const std::shared_ptr<detail::hub_call>& c) const;
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
template <class F>
  requires detail::returns_task<F&, const unobserved_failure&>
void on_error(F) {
  static_assert(detail::never_true<F>, "failures are told where nothing may wait: the handler cannot be a coroutine, but it can spawn one");
}

// How long the end of main (and of every OS thread with a hub) waits for cancelled fibers; 2 s unless WEFT_GRACE_MS says else.
WEFT_API void set_grace_period(std::chrono::nanoseconds d);

}  // namespace weft
