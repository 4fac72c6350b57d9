// Fibers: spawn, the handle, and what a fiber can do to itself. After gevent's Greenlet, with trio's cancellation.
//
// A handle belongs to the hub (the OS thread) that spawned the fiber. Dropping the last handle detaches: the fiber runs on, and a
// failure that nobody asked about is reported (on_error). From another OS thread only `cancel` and destruction are allowed.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "weft/detail/fiber_body.hpp"
#include "weft/detail/run_here.hpp"
#include "weft/detail/wait.hpp"
#include "weft/waitable.hpp"

namespace weft {

template <class T = void>
class fiber;

namespace detail {
struct link_node;  // src/core/link_node.hpp
}

// Names a function that link() added. Copyable; dropping it does not remove the function (asyncio).
class WEFT_API link_handle {
public:
  link_handle() noexcept = default;
  explicit link_handle(std::shared_ptr<detail::link_node> node) noexcept : node_(std::move(node)) {}

  // The function will not be called, and what it captured goes; a call that runs is left to end (gevent's unlink, asyncio's
  // remove_done_callback). True when that prevented the call. Never parks, unless a destructor does. Throws wrong_hub.
  bool cancel();
  // The call is still to come. False on an empty handle.
  bool active() const noexcept;

private:
  std::shared_ptr<detail::link_node> node_;
};

// A handle on a fiber of whatever result. Copyable, cheap.
class WEFT_API any_fiber {
public:
  any_fiber() noexcept = default;
  // Throws wrong_hub on a foreign OS thread.
  any_fiber(const any_fiber& other) : f_(other.f_) {
    if (f_ != nullptr) retain(f_);
  }
  any_fiber(any_fiber&& other) noexcept : f_(std::exchange(other.f_, nullptr)) {}
  any_fiber& operator=(any_fiber other) noexcept {
    std::swap(f_, other.f_);
    return *this;
  }
  ~any_fiber() {
    if (f_ != nullptr) release(f_);
  }

  explicit operator bool() const noexcept { return f_ != nullptr; }
  friend bool operator==(const any_fiber& a, const any_fiber& b) noexcept { return a.f_ == b.f_; }

  // Over, in whatever way. Never parks.
  bool done() const noexcept { return f_ != nullptr && f_->state == detail::fiber_state::done; }
  // Over, and its function returned.
  bool successful() const noexcept;
  // Over by cancellation.
  bool was_cancelled() const noexcept { return done() && f_->result == detail::outcome::cancelled; }
  // What it threw; null while it runs, when it returned and when it was cancelled; out_of_stacks when it never got a stack.
  // Asking counts as having seen the failure.
  std::exception_ptr exception() const;

  // Waits until it is over. Parks. Its failure is not thrown here. Throws cancelled, self_join, wrong_hub, deadlock, no_fiber.
  [[gnu::always_inline]] void join() const {
    detail::fiber_base* f = f_;
    if (f == nullptr || !detail::on_hub(f->home) || done() || f == detail::current_fiber()) [[unlikely]] {
      join_until(detail::never);
      return;
    }
    detail::waiter w("join");
    f->completion.push_back(w);
    detail::wait_on(*f->home, w);
  }
  // Same, for at most `d`; false when it still runs then.
  template <class Rep, class Period>
  bool join_for(std::chrono::duration<Rep, Period> d) const {
    return join_until(detail::deadline_after(detail::current_hub(), d));
  }

  // Asks it to stop: its park points throw `cancelled` from now on; one that has not begun never does. Does not wait or park.
  void cancel() const;
  // cancel() and join() (gevent's kill). Parks. A fiber that kills itself gets `cancelled` at once.
  void kill() const;
  // Throws `e` at the fiber's present or next park point, once (gevent's kill(exception)). One that has not begun fails with it.
  void throw_in(std::exception_ptr e) const;

  // Calls `fn` when the fiber is over, in a fiber of its own (gevent's link, asyncio's add_done_callback); likewise when it is
  // over already. Links are started in the order in which they were added. A call counts as observing the fiber's failure. Never parks.
  // Throws wrong_hub, no_fiber, bad_alloc, std::bad_function_call (an empty one), and, when it is over already, out_of_stacks.
  link_handle link(std::function<void(any_fiber)> fn) const;
  // A coroutine runs as a part of that fiber.
  template <class F>
    requires detail::returns_task<F&, any_fiber>
  link_handle link(F fn) const {
    return link(std::function<void(any_fiber)>([fn = std::move(fn)](any_fiber f) mutable { detail::run_here(fn, std::move(f)); }));
  }

  std::string_view name() const noexcept;
  // Distinct among living fibers.
  const void* id() const noexcept { return f_; }

  detail::completion_view weft_completion() const {
    if (f_ == nullptr) [[unlikely]]
      throw_no_fiber();
    return {f_->home, done() ? nullptr : &f_->completion, f_};
  }
  static any_fiber weft_adopt(detail::fiber_base* f) noexcept { return any_fiber(f); }
  detail::fiber_base* weft_base() const noexcept { return f_; }

protected:
  explicit any_fiber(detail::fiber_base* f) noexcept : f_(f) {}
  // In full: what join leaves out, and throws.
  bool join_until(detail::nanos deadline) const;
  // Joins; throws the failure, timeout_error, or fiber_cancelled. Afterwards there is a value.
  void wait_value(detail::nanos deadline) const;
  // The same when it is over.
  void settle() const {
    f_->observed = true;
    if (f_->result != detail::outcome::value) [[unlikely]]
      throw_outcome();
  }
  // Throws result_taken when it was taken before.
  void take_value() const;

  detail::fiber_base* f_ = nullptr;

private:
  [[noreturn]] static void throw_no_fiber();
  void throw_outcome() const;
  static void retain(detail::fiber_base* f);
  static void release(detail::fiber_base* f) noexcept {
    if (detail::on_hub(f->home)) [[likely]]
      detail::fiber_release(f);
    else
      release_far(f);
  }
  static void release_far(detail::fiber_base* f) noexcept;
};

namespace detail {

// What spawn makes of a function that returns R: a fiber. Of one that returns a task: weft/task.hpp.
template <class R>
struct start_as {
  template <class F, class... Args>
  static auto start(const spawn_options& options, F&& fn, Args&&... args) {
    return handle<R>(spawn_block<R>(options, std::forward<F>(fn), std::forward<Args>(args)...));
  }
  template <class T>
  static fiber<T> handle(fiber_base* f) noexcept {
    return fiber<T>(f);
  }
};

}  // namespace detail

// A handle on a fiber whose function returns T.
template <class T>
class fiber : public any_fiber {
public:
  using value_type = T;
  fiber() noexcept = default;

  // Waits for the result and moves it out; what the fiber threw is thrown here. Parks. A second get() of a value throws
  // result_taken (void may be asked again). Throws fiber_cancelled, cancelled, self_join, wrong_hub, deadlock.
  T get() const { return get_until(detail::never); }
  // Same, for at most `d`; throws timeout_error when the fiber still runs then.
  template <class Rep, class Period>
  T get_for(std::chrono::duration<Rep, Period> d) const {
    return get_until(detail::deadline_after(detail::current_hub(), d));
  }

  // The same when it is over, whatever is due for the caller.
  T weft_take() const {
    settle();
    return taken();
  }

private:
  template <class R>
  friend struct detail::start_as;
  explicit fiber(detail::fiber_base* f) noexcept : any_fiber(f) {}

  T get_until(detail::nanos deadline) const {
    wait_value(deadline);
    return taken();
  }
  T taken() const {
    if constexpr (std::is_void_v<T>) {
      return;
    } else {
      take_value();
      auto& slot = static_cast<detail::fiber_of<T>*>(f_)->slot;
      if constexpr (std::is_reference_v<T>)
        return *slot.value;
      else
        return std::move(slot.value);
    }
  }
};

// Starts `fn(args...)` in a fiber of this OS thread's hub. It runs when the caller next parks or yields, never before spawn
// returns. fn and args are moved or copied into the fiber (std::ref to share). Throws out_of_stacks, and what copying throws.
template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto spawn(spawn_options options, F&& fn, Args&&... args) {
  using result = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;
  return detail::start_as<result>::start(options, std::forward<F>(fn), std::forward<Args>(args)...);
}
template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto spawn(F&& fn, Args&&... args) {
  return spawn(spawn_options{}, std::forward<F>(fn), std::forward<Args>(args)...);
}

namespace detail {

// What spawn begins as it is, without being a function: a task, and what weft::async:: gives (weft/task.hpp).
template <class A>
concept begun_as_it_is =
    !std::invocable<std::decay_t<A>&> && requires(A&& a) { spawn(spawn_options{}, std::forward<A>(a)); };
// A range of such. Nobody can wait for them.
template <class R>
concept not_begun = std::ranges::forward_range<R> && begun_as_it_is<std::ranges::range_value_t<R>>;
template <class R>
constexpr bool refuse_not_begun() noexcept {
  static_assert(!not_begun<R>, "these tasks have not begun: weft::spawn each and wait for the handles, or gather the tasks");
  return false;
}

}  // namespace detail

namespace this_fiber {

namespace detail_ {
inline void sleep_ns(detail::hub& h, detail::nanos ns) {
  if (ns == 0) return detail::yield_here(h);
  detail::waiter w("sleep");
  detail::wait_on(h, w, detail::deadline_in(h, ns));
}
}  // namespace detail_

// Parks for at least `d`; a zero or negative duration yields once. Throws cancelled.
template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> d) {
  detail_::sleep_ns(detail::current_hub(), detail::to_nanos(d));
}
// Parks until `t` on its clock (what is left until then is measured once).
template <class Clock, class Duration>
void sleep_until(std::chrono::time_point<Clock, Duration> t) {
  sleep_for(detail::left_until(t));
}
// Lets every fiber that is ready now run first (gevent.sleep(0)). Throws cancelled when that is due, before or after.
inline void yield() { detail::yield_here(detail::current_hub()); }
// trio's checkpoint: a point where the fiber can be cancelled and others run.
inline void checkpoint() { yield(); }
// A handle on the running fiber, main included.
WEFT_API any_fiber current();

}  // namespace this_fiber

// Starts `fn(args...)` in a fiber after `d` (gevent.spawn_later): its handle. Cancelling that before prevents it. Of a coroutine: as a part
// of that fiber.
template <class Rep, class Period, class F, class... Args>
auto spawn_later(std::chrono::duration<Rep, Period> d, F&& fn, Args&&... args) {
  return spawn(
      [d](std::decay_t<F> f, std::decay_t<Args>... a) -> decltype(detail::run_here(std::move(f), std::move(a)...)) {
        this_fiber::sleep_for(d);
        return detail::run_here(std::move(f), std::move(a)...);
      },
      std::forward<F>(fn), std::forward<Args>(args)...);
}

template <detail::not_begun R>
std::size_t joinall(const R&, joinall_options = {}) {
  return detail::refuse_not_begun<R>();
}

// Cancels every fiber of the range, then waits for all (gevent.killall). Parks. True when all are over by `timeout`.
template <std::ranges::forward_range R>
  requires std::derived_from<std::ranges::range_value_t<R>, any_fiber>
bool killall(const R& range, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  std::size_t total = 0;
  for (const any_fiber& f : range) {
    ++total;
    f.cancel();
  }
  return joinall(range, {.timeout = timeout}) == total;
}

}  // namespace weft
