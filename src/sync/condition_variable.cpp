// Waiting on a condition: the mutex is handed back whatever ended the wait, and a notification nobody can use is passed on.
#include "weft/condition_variable.hpp"

namespace weft {

bool condition_variable::wait_to(std::unique_lock<mutex>& lock, detail::nanos deadline) {
  detail::hub& h = detail::on_home(home_, "condition_variable");
  if (!lock.owns_lock()) detail::throw_not_owner("condition_variable.wait without the lock");
  mutex& m = *lock.mutex();
  detail::waiter w("condition_variable.wait");
  lock.unlock();
  waiters_.push_back(w);
  const detail::wake why = detail::park(h, w, deadline);
  // From here a notification is this fiber's (`ready`) or was never taken from the list. A cancellation that arrives while the
  // lock is awaited does not turn `ready` into something else: the caller sees its condition first, the cancellation at its next park.
  m.lock_slowly(detail::never, true);
  lock = std::unique_lock<mutex>(m, std::adopt_lock);
  detail::throw_if_ended(h, why, w.reason);
  return why == detail::wake::ready;
}

void condition_variable::notify(std::size_t n) {
  detail::on_home(home_, "condition_variable");
  for (; n > 0; --n) {
    detail::wait_node* next = waiters_.front();
    if (next == nullptr) break;
    detail::unpark(*static_cast<detail::waiter*>(next));
  }
}

}  // namespace weft
