// A mutex that readers share: std::shared_mutex's interface, FIFO-fair between readers and writers.
//
// Works with std::shared_lock and std::unique_lock. Belongs to the hub that made it. Nobody overtakes: a reader that comes while a
// writer waits goes behind it, so writers do not starve; readers that wait next to each other are let in together.
#pragma once

#include <chrono>
#include <cstddef>

#include "weft/detail/sync.hpp"

namespace weft {

class WEFT_API shared_mutex {
public:
  // Unlocked. Throws std::system_error when the thread's hub cannot be made.
  shared_mutex() : home_(&detail::current_hub()) {}
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;
  ~shared_mutex();

  // Locks for writing; parks while anybody holds it. Throws cancelled, deadlock, wrong_hub, and
  // std::system_error(resource_deadlock_would_occur) when the caller holds it for writing (readers are not told apart).
  void lock() { acquire(detail::never, true); }
  // Never parks. Throws wrong_hub.
  bool try_lock();
  // lock() for at most `d`; false when it was not free in time.
  template <class Rep, class Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> d) {
    return acquire(detail::deadline_after(*home_, d), true);
  }
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> t) {
    return acquire(detail::deadline_at(*home_, t), true);
  }
  // Throws not_owner when the caller does not hold it for writing, wrong_hub. Never parks.
  void unlock();

  // Locks for reading; parks while a writer holds it or waits before the caller. Throws as lock() does.
  void lock_shared() { acquire(detail::never, false); }
  bool try_lock_shared();
  template <class Rep, class Period>
  bool try_lock_shared_for(std::chrono::duration<Rep, Period> d) {
    return acquire(detail::deadline_after(*home_, d), false);
  }
  template <class Clock, class Duration>
  bool try_lock_shared_until(std::chrono::time_point<Clock, Duration> t) {
    return acquire(detail::deadline_at(*home_, t), false);
  }
  // Throws not_owner when nobody holds it for reading, wrong_hub. Never parks.
  void unlock_shared();

  // How many hold it for reading, and whether somebody does for writing.
  std::size_t readers() const noexcept { return readers_; }
  bool is_locked() const noexcept { return writer_ != nullptr; }

private:
  friend struct detail::task_access;
  friend struct inspect::layout_access;
  friend struct detail::lock_access;

  struct WEFT_API place : detail::waiter {
    place(bool writes, shared_mutex& of) noexcept;
    shared_mutex* mutex;
    bool writer;
  };

  // Takes it without waiting, if that can be done.
  bool acquire_now(bool write);
  bool acquire(detail::nanos deadline, bool write);
  void let_in() noexcept;

  detail::hub* home_;
  detail::fiber_base* writer_ = nullptr;
  std::size_t readers_ = 0;
  detail::waiting_list waiters_;  // not empty only while somebody holds it
};

}  // namespace weft
