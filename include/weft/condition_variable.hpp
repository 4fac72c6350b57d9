// A condition variable for weft::mutex: std::condition_variable's interface, FIFO among the waiters.
//
// Belongs to the hub that made it. There are no spurious wake-ups, but the condition may be gone again by the time the lock is
// back: wait in a loop, or with a predicate. The lock is always taken back before a wait ends, cancellation included.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "weft/detail/sync.hpp"
#include "weft/mutex.hpp"

namespace weft {

class WEFT_API condition_variable {
public:
  condition_variable() : home_(&detail::current_hub()) {}
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  // Unlocks, parks until notified, locks again. Throws cancelled (with the lock taken back), deadlock, wrong_hub, and not_owner
  // when the lock is not held.
  void wait(std::unique_lock<mutex>& lock) { wait_to(lock, detail::never); }
  // Same, until pred() holds.
  template <class Predicate>
  void wait(std::unique_lock<mutex>& lock, Predicate pred) {
    while (!pred()) wait(lock);
  }

  // Waits for at most `d`, not counting the time until the lock is had again.
  template <class Rep, class Period>
  std::cv_status wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> d) {
    return status(wait_to(lock, detail::deadline_after(*home_, d)));
  }
  // Same, until pred() holds; what pred() says at the end.
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> d, Predicate pred) {
    return wait_pred(lock, detail::deadline_after(*home_, d), pred);
  }
  template <class Clock, class Duration>
  std::cv_status wait_until(std::unique_lock<mutex>& lock, std::chrono::time_point<Clock, Duration> t) {
    return status(wait_to(lock, detail::deadline_at(*home_, t)));
  }
  template <class Clock, class Duration, class Predicate>
  bool wait_until(std::unique_lock<mutex>& lock, std::chrono::time_point<Clock, Duration> t, Predicate pred) {
    return wait_pred(lock, detail::deadline_at(*home_, t), pred);
  }

  // Wakes the one that has waited longest, or the first `n` (asyncio's notify(n)). A notification is never spent on a fiber whose
  // wait ends by cancellation or timeout. Never parks; the lock need not be held. Throws wrong_hub.
  void notify_one() { notify(1); }
  void notify(std::size_t n);
  void notify_all() { notify(static_cast<std::size_t>(-1)); }

private:
  friend struct detail::task_access;

  static std::cv_status status(bool notified) { return notified ? std::cv_status::no_timeout : std::cv_status::timeout; }
  template <class Predicate>
  bool wait_pred(std::unique_lock<mutex>& lock, detail::nanos deadline, Predicate& pred) {
    while (!pred())
      if (!wait_to(lock, deadline)) return pred();
    return true;
  }
  bool wait_to(std::unique_lock<mutex>& lock, detail::nanos deadline);

  detail::hub* home_;
  detail::waiting_list waiters_;
};

}  // namespace weft
