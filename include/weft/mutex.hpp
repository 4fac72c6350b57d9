// Mutexes between fibers of one hub: std::mutex's interface, POSIX's error checking, FIFO-fair.
//
// The standard's lock_guard, unique_lock and scoped_lock work on them. An unlock hands the mutex to the fiber that has waited
// longest, which owns it from then on, whether or not it is being cancelled. Other OS threads never wait here: wrong_hub.
#pragma once

#include <chrono>
#include <cstdint>

#include "weft/detail/sync.hpp"

namespace weft {

class condition_variable;

class WEFT_API mutex {
public:
  // Unlocked. Throws std::system_error when the thread's hub cannot be made.
  mutex() : home_(&detail::current_hub()) {}
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  // Locks; parks while another fiber holds it. Throws cancelled, deadlock, wrong_hub, and
  // std::system_error(resource_deadlock_would_occur) when the caller holds it already (POSIX's EDEADLK).
  void lock() {
    if (owner_ == nullptr && detail::on_hub(home_)) [[likely]] {
      detail::fiber_base* self = detail::current_fiber();
      if (!self->cancel_hint) [[likely]] {
        owner_ = self;
        return;
      }
    }
    lock_slowly(detail::never, false);
  }
  // Locks if it is free; false when anybody holds it, the caller included. Never parks. Throws wrong_hub.
  bool try_lock() {
    detail::on_home(home_, "mutex");
    if (owner_ != nullptr) return false;
    owner_ = detail::current_fiber();
    return true;
  }
  // lock() for at most `d`; false when it was not free in time.
  template <class Rep, class Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> d) {
    return lock_slowly(detail::deadline_after(*home_, d), false);
  }
  // lock() until `t` on its clock; false when it was not free in time.
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> t) {
    return lock_slowly(detail::deadline_at(*home_, t), false);
  }
  // Unlocks. Never parks. Throws not_owner when the caller does not hold it, wrong_hub.
  void unlock() {
    // An owner is a fiber of the home hub: being it implies being there. (Without `attached` a thread without a block of its own
    // would look at its creator's.)
    if (!detail::attached() || detail::current_fiber() != owner_) [[unlikely]]
      refuse_unlock();
    if (waiters_.empty()) [[likely]]
      owner_ = nullptr;
    else
      hand_over();
  }

  // Whether any fiber holds it.
  bool is_locked() const noexcept { return owner_ != nullptr; }

private:
  friend class condition_variable;
  friend class recursive_mutex;
  friend struct detail::task_access;
  friend struct inspect::layout_access;
  friend struct detail::lock_access;

  bool lock_slowly(detail::nanos deadline, bool uncancellable);
  void hand_over() noexcept;
  [[noreturn]] void refuse_unlock() const;

  detail::hub* home_;
  detail::fiber_base* owner_ = nullptr;  // never null while anybody waits
  detail::waiting_list waiters_;
};

// A mutex that its owner may lock again; unlocked when each lock has its unlock (std::recursive_mutex).
class WEFT_API recursive_mutex {
public:
  recursive_mutex() = default;

  // Locks once more; parks while another fiber holds it. Throws cancelled, deadlock, wrong_hub.
  void lock() {
    if (!again()) {
      m_.lock();
      depth_ = 1;
    }
  }
  // Never parks. Throws wrong_hub.
  bool try_lock() { return again() || first(m_.try_lock()); }
  template <class Rep, class Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> d) {
    return again() || first(m_.try_lock_for(d));
  }
  template <class Clock, class Duration>
  bool try_lock_until(std::chrono::time_point<Clock, Duration> t) {
    return again() || first(m_.try_lock_until(t));
  }
  // Never parks. Throws not_owner when the caller does not hold it, wrong_hub.
  void unlock() {
    if (depth_ > 1 && held_here()) {
      --depth_;
      return;
    }
    m_.unlock();
  }

private:
  friend struct detail::task_access;

  bool held_here() const noexcept { return detail::attached() && m_.owner_ == detail::current_fiber(); }
  bool again() noexcept {
    if (!held_here()) return false;
    ++depth_;
    return true;
  }
  bool first(bool locked) noexcept {
    if (locked) depth_ = 1;
    return locked;
  }

  mutex m_;
  std::uint64_t depth_ = 0;  // of the present owner
};

}  // namespace weft
