// The slow paths of the mutexes: waiting in line, and the hand-over to the first in it.
#include "weft/mutex.hpp"

#include <system_error>

namespace weft {

bool mutex::lock_slowly(detail::nanos deadline, bool uncancellable) {
  detail::hub& h = detail::on_home(home_, "mutex");
  if (!uncancellable) detail::check_cancelled(h);
  detail::fiber_base* self = detail::current_fiber();
  if (owner_ == nullptr) {
    owner_ = self;
    return true;
  }
  if (owner_ == self)
    throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur), "the fiber holds the mutex already");
  detail::waiter w("mutex.lock");
  w.uncancellable = uncancellable;
  waiters_.push_back(w);
  return detail::wait_on(h, w, deadline);
}

void mutex::hand_over() noexcept {
  auto* next = static_cast<detail::waiter*>(waiters_.front());
  // Set before it runs, so that nobody slips in between, and whether or not a cancellation comes on top: it owns the mutex now.
  owner_ = next->fiber;
  detail::unpark(*next);
}

void mutex::refuse_unlock() const {
  detail::on_home(home_, "mutex");
  detail::throw_not_owner("mutex unlocked by a fiber that does not hold it");
}

}  // namespace weft
