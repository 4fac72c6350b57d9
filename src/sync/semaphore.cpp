// The slow paths of the semaphores: permits go to waiters in the order in which they came.
#include "weft/semaphore.hpp"

namespace weft {

bool semaphore::wait(detail::nanos deadline) {
  detail::hub& h = detail::on_home(home_, "semaphore");
  detail::check_cancelled(h);
  if (permits_ != 0) {
    --permits_;
    return true;
  }
  detail::waiter w("semaphore.acquire");
  waiters_.push_back(w);
  return detail::wait_on(h, w, deadline);
}

void semaphore::release(std::size_t n) {
  detail::on_home(home_, "semaphore");
  for (; n > 0; --n) {
    detail::wait_node* next = waiters_.front();
    if (next == nullptr) break;
    detail::unpark(*static_cast<detail::waiter*>(next));
  }
  permits_ += n;
}

void bounded_semaphore::release(std::size_t n) {
  detail::on_home(home_, "bounded_semaphore");
  if (n > bound_ - permits_) detail::throw_not_owner("bounded_semaphore released more often than acquired");
  semaphore::release(n);
}

}  // namespace weft
