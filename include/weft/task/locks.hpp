// co_await of shared and recursive mutexes, and of barriers. What they throw besides is what the members of the same name throw.
#pragma once

#include <chrono>
#include <mutex>
#include <shared_mutex>

#include "weft/latch.hpp"
#include "weft/mutex.hpp"
#include "weft/shared_mutex.hpp"
#include "weft/task/access.hpp"
#include "weft/task/await.hpp"

namespace weft {

namespace detail {

// For writing, with a std::unique_lock, or for reading, with a std::shared_lock.
template <class Lock, bool Write>
class shared_lock_operation : public line_operation<shared_lock_operation<Lock, Write>, task_access::shared_place> {
  using base = line_operation<shared_lock_operation, task_access::shared_place>;

public:
  shared_lock_operation(shared_mutex& m, nanos until) : base(until, Write, m), mutex_(m) {}

  bool now() { return task_access::acquire_now(mutex_, Write); }
  wait_list& line() noexcept { return task_access::waiters(mutex_); }
  [[nodiscard("the lock is released where it is dropped: auto held = co_await ...")]]
  Lock await_resume() { return this->woken() ? Lock(mutex_, std::adopt_lock) : Lock(mutex_, std::defer_lock); }

private:
  shared_mutex& mutex_;
};
using write_lock_operation = shared_lock_operation<std::unique_lock<shared_mutex>, true>;
using read_lock_operation = shared_lock_operation<std::shared_lock<shared_mutex>, false>;

class recursive_lock_operation : public simple_line_operation<recursive_lock_operation> {
public:
  recursive_lock_operation(recursive_mutex& m, nanos until) : simple_line_operation("mutex.lock", until), mutex_(m) {}

  bool now() {
    check_cancelled(task_access::home(task_access::inner(mutex_)));
    return taken_ = mutex_.try_lock();
  }
  wait_list& line() noexcept { return task_access::waiters(task_access::inner(mutex_)); }
  [[nodiscard("the lock is released where it is dropped: auto held = co_await ...")]]
  std::unique_lock<recursive_mutex> await_resume() {
    if (!woken()) return std::unique_lock<recursive_mutex>(mutex_, std::defer_lock);
    if (!taken_) task_access::first_lock(mutex_);
    return std::unique_lock<recursive_mutex>(mutex_, std::adopt_lock);
  }

private:
  recursive_mutex& mutex_;
  bool taken_ = false;
};

class barrier_operation : public line_operation<barrier_operation, task_access::barrier_place> {
public:
  barrier_operation(barrier& b, nanos until) : line_operation(until, b) {}

  bool now() { return last_ = task_access::come(*of); }
  wait_list& line() noexcept { return task_access::waiters(*of); }
  bool await_resume() { return last_ || task_access::over(current_hub(), result, reason); }

private:
  bool last_ = false;
};

}  // namespace detail

namespace async {

// Locks for writing; gives the std::unique_lock that holds it.
inline auto lock(shared_mutex& m) { return detail::call<detail::write_lock_operation>(m, detail::never); }
// Same, within `d`; the lock does not hold the mutex when it was not free in time.
template <class Rep, class Period>
auto lock_for(shared_mutex& m, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::write_lock_operation>(m, detail::deadline_after(detail::current_hub(), d));
}
template <class Clock, class Duration>
auto lock_until(shared_mutex& m, std::chrono::time_point<Clock, Duration> t) {
  return detail::call<detail::write_lock_operation>(m, detail::deadline_at(detail::current_hub(), t));
}
// Locks for reading; gives the std::shared_lock that holds it.
inline auto lock_shared(shared_mutex& m) { return detail::call<detail::read_lock_operation>(m, detail::never); }
template <class Rep, class Period>
auto lock_shared_for(shared_mutex& m, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::read_lock_operation>(m, detail::deadline_after(detail::current_hub(), d));
}
template <class Clock, class Duration>
auto lock_shared_until(shared_mutex& m, std::chrono::time_point<Clock, Duration> t) {
  return detail::call<detail::read_lock_operation>(m, detail::deadline_at(detail::current_hub(), t));
}

// Locks once more, or waits for whoever else holds it.
inline auto lock(recursive_mutex& m) { return detail::call<detail::recursive_lock_operation>(m, detail::never); }
template <class Rep, class Period>
auto lock_for(recursive_mutex& m, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::recursive_lock_operation>(m, detail::deadline_after(detail::current_hub(), d));
}
template <class Clock, class Duration>
auto lock_until(recursive_mutex& m, std::chrono::time_point<Clock, Duration> t) {
  return detail::call<detail::recursive_lock_operation>(m, detail::deadline_at(detail::current_hub(), t));
}

// Waits until all parties have come; true in the one that came last. Throws broken_barrier, cancelled (which breaks it).
inline auto arrive_and_wait(barrier& b) { return detail::call<detail::barrier_operation>(b, detail::never); }
// Same, for at most `d`: then it throws timeout_error, and the barrier is broken.
template <class Rep, class Period>
auto arrive_and_wait_for(barrier& b, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::barrier_operation>(b, detail::deadline_after(detail::current_hub(), d));
}

}  // namespace async
}  // namespace weft
