// A flag that fibers wait for, after threading.Event as gevent and asyncio have it: manual reset, any number of waiters.
//
// Belongs to the hub that made it; other OS threads reach it through hub::post. Waitable: joinall takes events too.
#pragma once

#include <chrono>
#include <exception>

#include "weft/detail/sync.hpp"
#include "weft/waitable.hpp"

namespace weft {

class event {
public:
  // Clear at first. Throws std::system_error when the thread's hub cannot be made.
  event() : home_(&detail::current_hub()) {}
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  // Whether it is set now. Never parks.
  bool is_set() const noexcept { return set_; }

  // Sets it and makes every waiter ready, in the order in which they came. Never parks. A waiter that was made ready returns even
  // when clear() follows at once. Throws wrong_hub.
  void set() {
    detail::on_home(home_, "event");
    set_ = true;
    // Nobody can join the list while it is set: no need to set the present waiters apart.
    while (!waiters_.empty()) {
      detail::wait_node& n = waiters_.take_front();
      n.notify(&n);
    }
  }
  // Later waits park again. Throws wrong_hub.
  void clear() {
    detail::on_home(home_, "event");
    set_ = false;
  }

  // Parks until it is set. Throws cancelled, deadlock, wrong_hub.
  void wait() const { wait_to(detail::never); }
  // Same, for at most `d`; false when it was not set in time.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> d) const {
    return wait_to(detail::deadline_after(*home_, d));
  }
  // Same, until `t` on its clock.
  template <class Clock, class Duration>
  bool wait_until(std::chrono::time_point<Clock, Duration> t) const {
    return wait_to(detail::deadline_at(*home_, t));
  }

  // The waitable protocol: done means set, and it never fails.
  bool done() const noexcept { return set_; }
  std::exception_ptr exception() const noexcept { return nullptr; }
  detail::completion_view weft_completion() const noexcept { return {home_, set_ ? nullptr : &waiters_, nullptr}; }

private:
  bool wait_to(detail::nanos deadline) const {
    detail::hub& h = detail::on_home(home_, "event");
    if (set_) {
      detail::check_cancelled(h);
      return true;
    }
    detail::waiter w("event.wait");
    waiters_.push_back(w);
    return detail::wait_on(h, w, deadline);
  }

  detail::hub* home_;
  mutable detail::waiting_list waiters_;
  bool set_ = false;
};

}  // namespace weft
