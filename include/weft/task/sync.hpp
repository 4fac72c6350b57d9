// co_await of what is waitable, with or without a time limit, of semaphores, mutexes and condition variables. What they throw besides is
// what the members of the same name throw.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>

#include "weft/any_waitable.hpp"
#include "weft/latch.hpp"
#include "weft/task.hpp"
#include "weft/task/access.hpp"
#include "weft/task/time.hpp"

namespace weft {

namespace detail {

// A value that is waited for in time.
template <class W>
class get_in_time_operation : public get_operation<W> {
public:
  get_in_time_operation(W& w, nanos until) : get_operation<W>(w, until) {}
  decltype(auto) await_resume() {
    if (this->result == wake::timeout) throw timeout_error();
    return get_operation<W>::await_resume();
  }
};

// A handle that is given as a temporary stays with the wait, which may begin later: spawn(async::join(weft::spawn(f))).
template <class W>
struct kept_handle {
  W handle;
};
template <class W>
class kept_join_operation : private kept_handle<W>, public join_operation {
public:
  kept_join_operation(W&& w, nanos until) : kept_handle<W>{std::move(w)}, join_operation(this->handle.weft_completion(), "join", until) {}
};
template <class W>
class kept_get_in_time_operation : private kept_handle<W>, public get_in_time_operation<const W> {
public:
  kept_get_in_time_operation(W&& w, nanos until) : kept_handle<W>{std::move(w)}, get_in_time_operation<const W>(this->handle, until) {}
};
template <class W>
concept temporary_handle = std::derived_from<W, any_fiber>;

class acquire_operation : public simple_line_operation<acquire_operation> {
public:
  acquire_operation(semaphore& s, nanos until) : simple_line_operation("semaphore.acquire", until), semaphore_(s) {}

  bool now() {
    check_cancelled(task_access::home(semaphore_));
    return task_access::take(semaphore_);
  }
  wait_list& line() noexcept { return task_access::waiters(semaphore_); }
  bool await_resume() { return woken(); }

private:
  semaphore& semaphore_;
};

class lock_operation : public simple_line_operation<lock_operation> {
public:
  lock_operation(mutex& m, nanos until) : simple_line_operation("mutex.lock", until), mutex_(m) {}

  bool now() {
    check_cancelled(task_access::home(mutex_));
    fiber_base*& owner = task_access::owner(mutex_);
    if (owner == current_fiber()) [[unlikely]]
      refuse();
    if (owner != nullptr) return false;
    owner = current_fiber();
    return true;
  }
  wait_list& line() noexcept { return task_access::waiters(mutex_); }
  [[nodiscard("the lock is released where it is dropped: auto held = co_await ...")]]
  std::unique_lock<mutex> await_resume() {
    return woken() ? std::unique_lock<mutex>(mutex_, std::adopt_lock) : std::unique_lock<mutex>(mutex_, std::defer_lock);
  }

private:
  [[noreturn]] static WEFT_API void refuse();

  mutex& mutex_;
};

// Two waits: for the notification, and then, whatever ended that, for the lock, which cancellation does not end.
class WEFT_API condition_operation : public operation {
public:
  condition_operation(condition_variable& c, std::unique_lock<mutex>& lock, nanos until)
      : operation("condition_variable.wait"), condition_(c), lock_(lock), until_(until) {}

  bool await_ready() const;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    enter(h);
    return begin();
  }
  bool await_resume();

private:
  bool begin();
  static bool relock(suspension& s) noexcept;

  condition_variable& condition_;
  std::unique_lock<mutex>& lock_;
  mutex* mutex_ = nullptr;
  nanos until_;
  wake why_ = wake::pending;  // what ended the first wait
};

inline auto wait_on_condition(condition_variable& c, std::unique_lock<mutex>& lock, nanos until) {
  return call<condition_operation>(c, lock, until);
}
template <std::predicate P>
task<bool> wait_for_predicate(condition_variable& c, std::unique_lock<mutex>& lock, nanos until, P pred) {
  while (!pred()) {
    const bool notified = co_await wait_on_condition(c, lock, until);
    if (!notified) co_return pred();
  }
  co_return true;
}

}  // namespace detail

namespace async {

// Suspends until the waitable (fiber, event, result, ...) is done; what it failed with is not thrown. co_await of the waitable itself
// throws it, and gives its value. Throws cancelled, self_join, wrong_hub.
template <waitable W>
auto join(const W& w) {
  return detail::call<detail::join_operation>(w.weft_completion(), "join", detail::never);
}
template <detail::temporary_handle W>
auto join(W&& w) {
  return detail::call<detail::kept_join_operation<W>>(std::move(w), detail::never);
}
// Same, for at most `d`; false when it is not done then.
template <waitable W, class Rep, class Period>
auto join_for(const W& w, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::join_operation>(w.weft_completion(), "join", detail::deadline_after(detail::current_hub(), d));
}
template <detail::temporary_handle W, class Rep, class Period>
auto join_for(W&& w, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::kept_join_operation<W>>(std::move(w), detail::deadline_after(detail::current_hub(), d));
}
// The same for what has such members (event, latch, async_result).
template <waitable W>
  requires requires(const W& w) { w.wait(); }
auto wait(const W& w) {
  return join(w);
}
template <waitable W, class Rep, class Period>
  requires(!waitable_value<W>) && requires(const W& w) { w.wait(); }
auto wait_for(const W& w, std::chrono::duration<Rep, Period> d) {
  return join_for(w, d);
}
// Same, until `t` on its clock (event).
template <waitable W, class Clock, class Duration>
  requires requires(const W& w, std::chrono::time_point<Clock, Duration> t) { w.wait_until(t); }
auto wait_until(const W& w, std::chrono::time_point<Clock, Duration> t) {
  return detail::call<detail::join_operation>(w.weft_completion(), "join", detail::deadline_at(detail::current_hub(), t));
}
// Counts down, and waits for the others.
inline task<> arrive_and_wait(latch& l, std::size_t n = 1) {
  l.count_down(n);
  co_await join(l);
}
// The value of a fiber, a task or a result, for which it waits for at most `d`; throws timeout_error then, and what it failed with.
template <waitable_value W, class Rep, class Period>
auto get_for(W& w, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::get_in_time_operation<W>>(w, detail::deadline_after(detail::current_hub(), d));
}
template <class T, class Rep, class Period>
auto get_for(const fiber<T>& f, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::get_in_time_operation<const fiber<T>>>(f, detail::deadline_after(detail::current_hub(), d));
}
template <class T, class Rep, class Period>
auto get_for(fiber<T>&& f, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::kept_get_in_time_operation<fiber<T>>>(std::move(f), detail::deadline_after(detail::current_hub(), d));
}
// Cancels it, and waits until it is over. Of oneself it throws cancelled.
inline task<> kill(any_fiber f) {
  f.cancel();
  if (f.weft_base() == detail::current_fiber()) {
    detail::check_cancelled(*f.weft_base()->home);
    co_return;
  }
  co_await join(f);
}

// Takes a permit; true.
inline auto acquire(semaphore& s) { return detail::call<detail::acquire_operation>(s, detail::never); }
// Takes a permit within `d`; false when there was none in time.
template <class Rep, class Period>
auto acquire_for(semaphore& s, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::acquire_operation>(s, detail::deadline_after(detail::current_hub(), d));
}
// Same, until `t` on its clock.
template <class Clock, class Duration>
auto acquire_until(semaphore& s, std::chrono::time_point<Clock, Duration> t) {
  return detail::call<detail::acquire_operation>(s, detail::deadline_at(detail::current_hub(), t));
}

// Permits of a bounded_semaphore.
inline auto acquire(bounded_semaphore& s) { return acquire(detail::task_access::unbounded(s)); }
template <class Rep, class Period>
auto acquire_for(bounded_semaphore& s, std::chrono::duration<Rep, Period> d) {
  return acquire_for(detail::task_access::unbounded(s), d);
}
template <class Clock, class Duration>
auto acquire_until(bounded_semaphore& s, std::chrono::time_point<Clock, Duration> t) {
  return acquire_until(detail::task_access::unbounded(s), t);
}

// Locks; gives the std::unique_lock that holds it: auto held = co_await async::lock(m).
inline auto lock(mutex& m) { return detail::call<detail::lock_operation>(m, detail::never); }
// Same, within `d`; the lock does not hold the mutex when it was not free in time.
template <class Rep, class Period>
auto lock_for(mutex& m, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::lock_operation>(m, detail::deadline_after(detail::current_hub(), d));
}
// Same, until `t` on its clock.
template <class Clock, class Duration>
auto lock_until(mutex& m, std::chrono::time_point<Clock, Duration> t) {
  return detail::call<detail::lock_operation>(m, detail::deadline_at(detail::current_hub(), t));
}

// Unlocks, suspends until notified, locks again. Throws cancelled with the lock taken back.
inline auto wait(condition_variable& c, std::unique_lock<mutex>& lock) { return detail::wait_on_condition(c, lock, detail::never); }
// Same, for at most `d`; false when there was no notification in time.
template <class Rep, class Period>
auto wait_for(condition_variable& c, std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> d) {
  return detail::wait_on_condition(c, lock, detail::deadline_after(detail::current_hub(), d));
}
// Same, until `t` on its clock.
template <class Clock, class Duration>
auto wait_until(condition_variable& c, std::unique_lock<mutex>& lock, std::chrono::time_point<Clock, Duration> t) {
  return detail::wait_on_condition(c, lock, detail::deadline_at(detail::current_hub(), t));
}
// Same, until pred() holds.
template <std::predicate P>
task<> wait(condition_variable& c, std::unique_lock<mutex>& lock, P pred) {
  while (!pred()) co_await wait(c, lock);
}
// Same, until pred() holds or the time is over; what pred() says at the end.
template <class Rep, class Period, std::predicate P>
auto wait_for(condition_variable& c, std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> d, P pred) {
  return detail::wait_for_predicate(c, lock, detail::deadline_after(detail::current_hub(), d), std::move(pred));
}
template <class Clock, class Duration, std::predicate P>
auto wait_until(condition_variable& c, std::unique_lock<mutex>& lock, std::chrono::time_point<Clock, Duration> t, P pred) {
  return detail::wait_for_predicate(c, lock, detail::deadline_at(detail::current_hub(), t), std::move(pred));
}

}  // namespace async
}  // namespace weft
