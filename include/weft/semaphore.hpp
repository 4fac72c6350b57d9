// Counting semaphores, after threading.Semaphore and BoundedSemaphore as gevent has them, FIFO-fair as asyncio's.
//
// Belong to the hub that made them. A permit that is released goes straight to the fiber that has waited longest, so a newcomer
// never overtakes, and a cancellation that races the hand-over loses nothing: who was woken owns the permit.
#pragma once

#include <chrono>
#include <cstddef>

#include "weft/detail/sync.hpp"

namespace weft {

class WEFT_API semaphore {
public:
  // `permits` can be had at once. Throws std::system_error when the thread's hub cannot be made.
  explicit semaphore(std::size_t permits) : home_(&detail::current_hub()), permits_(permits) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  // Takes a permit; parks until there is one. Throws cancelled, deadlock, wrong_hub.
  void acquire() {
    if (permits_ != 0 && detail::on_hub(home_) && !detail::current_fiber()->cancel_hint) [[likely]]
      --permits_;
    else
      wait(detail::never);
  }
  // Takes a permit if there is one. Never parks. Throws wrong_hub.
  bool try_acquire() {
    detail::on_home(home_, "semaphore");
    if (permits_ == 0) return false;
    --permits_;
    return true;
  }
  // acquire() for at most `d`; false when there was no permit in time.
  template <class Rep, class Period>
  bool try_acquire_for(std::chrono::duration<Rep, Period> d) {
    return wait(detail::deadline_after(*home_, d));
  }
  // acquire() until `t` on its clock; false when there was no permit in time.
  template <class Clock, class Duration>
  bool try_acquire_until(std::chrono::time_point<Clock, Duration> t) {
    return wait(detail::deadline_at(*home_, t));
  }
  // Gives `n` permits, by whomever they were taken. Never parks. Throws wrong_hub.
  void release(std::size_t n = 1);

  // Permits that could be had now; 0 while anybody waits.
  std::size_t value() const noexcept { return permits_; }

  // The standard's lock guards: std::lock_guard holds one permit.
  void lock() { acquire(); }
  bool try_lock() { return try_acquire(); }
  template <class Rep, class Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> d) {
    return try_acquire_for(d);
  }
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> t) {
    return try_acquire_until(t);
  }
  void unlock() { release(); }

private:
  friend struct detail::task_access;

protected:
  detail::hub* home_;
  std::size_t permits_;  // not 0 only while nobody waits

private:
  bool wait(detail::nanos deadline);

  detail::waiting_list waiters_;
};

// A semaphore that never holds more permits than it started with: releasing one too many is an error, which is usually a bug
// found (threading.BoundedSemaphore).
class WEFT_API bounded_semaphore : private semaphore {
public:
  explicit bounded_semaphore(std::size_t permits) : semaphore(permits), bound_(permits) {}

  using semaphore::acquire;
  using semaphore::lock;
  using semaphore::try_acquire;
  using semaphore::try_acquire_for;
  using semaphore::try_acquire_until;
  using semaphore::try_lock;
  using semaphore::try_lock_for;
  using semaphore::try_lock_until;
  using semaphore::value;

  // Throws not_owner when there would be more permits than at the start; then nothing was released.
  void release(std::size_t n = 1);
  void unlock() { release(); }

private:
  friend struct detail::task_access;

  std::size_t bound_;
};

}  // namespace weft
