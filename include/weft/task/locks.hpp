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
class shared_lock_operation : public basic_operation<task_access::shared_place> {
public:
  shared_lock_operation(shared_mutex& m, nanos until) : basic_operation(Write, m), mutex_(m), until_(until) {}

  bool await_ready() {
    if (!task_access::acquire_now(mutex_, Write)) return false;
    result = wake::ready;
    return true;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    enter(h);
    task_access::waiters(mutex_).push_back(*this);
    return suspend_on(*this, until_);
  }
  Lock await_resume() { return woken() ? Lock(mutex_, std::adopt_lock) : Lock(mutex_, std::defer_lock); }

private:
  shared_mutex& mutex_;
  nanos until_;
};
using write_lock_operation = shared_lock_operation<std::unique_lock<shared_mutex>, true>;
using read_lock_operation = shared_lock_operation<std::shared_lock<shared_mutex>, false>;

class recursive_lock_operation : public operation {
public:
  recursive_lock_operation(recursive_mutex& m, nanos until) : operation("mutex.lock"), mutex_(m), until_(until) {}

  bool await_ready() {
    check_cancelled(task_access::home(task_access::inner(mutex_)));
    if (!mutex_.try_lock()) return false;
    taken_ = true;
    result = wake::ready;
    return true;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    enter(h);
    task_access::waiters(task_access::inner(mutex_)).push_back(*this);
    return suspend_on(*this, until_);
  }
  std::unique_lock<recursive_mutex> await_resume() {
    if (!woken()) return std::unique_lock<recursive_mutex>(mutex_, std::defer_lock);
    if (!taken_) task_access::first_lock(mutex_);
    return std::unique_lock<recursive_mutex>(mutex_, std::adopt_lock);
  }

private:
  recursive_mutex& mutex_;
  nanos until_;
  bool taken_ = false;
};

class barrier_operation : public basic_operation<task_access::barrier_place> {
public:
  barrier_operation(barrier& b, nanos until) : basic_operation(b), until_(until) {}

  bool await_ready() { return last_ = task_access::come(*of); }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    enter(h);
    task_access::waiters(*of).push_back(*this);
    return suspend_on(*this, until_);
  }
  bool await_resume() { return last_ || task_access::over(*fiber->home, result, reason); }

private:
  nanos until_;
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
// Locks for reading; gives the std::shared_lock that holds it.
inline auto lock_shared(shared_mutex& m) { return detail::call<detail::read_lock_operation>(m, detail::never); }
template <class Rep, class Period>
auto lock_shared_for(shared_mutex& m, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::read_lock_operation>(m, detail::deadline_after(detail::current_hub(), d));
}

// Locks once more, or waits for whoever else holds it.
inline auto lock(recursive_mutex& m) { return detail::call<detail::recursive_lock_operation>(m, detail::never); }
template <class Rep, class Period>
auto lock_for(recursive_mutex& m, std::chrono::duration<Rep, Period> d) {
  return detail::call<detail::recursive_lock_operation>(m, detail::deadline_after(detail::current_hub(), d));
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
