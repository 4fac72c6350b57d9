// The line before a shared mutex, and who is let in when it becomes free.
#include "weft/shared_mutex.hpp"

#include <system_error>

namespace weft {

shared_mutex::place::place(bool writes, shared_mutex& of) noexcept
    : waiter(writes ? "shared_mutex.lock" : "shared_mutex.lock_shared"), mutex(&of), writer(writes) {
  // A writer that gives up may have been all that kept the readers behind it waiting.
  on_abort = [](detail::waiter* w) noexcept {
    if (shared_mutex* m = static_cast<place*>(w)->mutex) m->let_in();
  };
}

shared_mutex::~shared_mutex() {
  while (detail::wait_node* n = waiters_.pop_front()) static_cast<place*>(n)->mutex = nullptr;
}

bool shared_mutex::acquire_now(bool write) {
  detail::hub& h = detail::on_home(home_, "shared_mutex");
  detail::check_cancelled(h);
  if (writer_ == detail::current_fiber())
    throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur), "the fiber holds the shared_mutex already");
  return write ? try_lock() : try_lock_shared();
}

bool shared_mutex::acquire(detail::nanos deadline, bool write) {
  if (acquire_now(write)) return true;
  place p(write, *this);
  waiters_.push_back(p);
  return detail::wait_on(*home_, p, deadline);
}

bool shared_mutex::try_lock() {
  detail::on_home(home_, "shared_mutex");
  if (writer_ != nullptr || readers_ != 0) return false;
  writer_ = detail::current_fiber();
  return true;
}

bool shared_mutex::try_lock_shared() {
  detail::on_home(home_, "shared_mutex");
  if (writer_ != nullptr || !waiters_.empty()) return false;
  ++readers_;
  return true;
}

// The first in line, and when it reads, the readers right behind it. They hold it from now on, whether or not a cancellation comes
// on top.
void shared_mutex::let_in() noexcept {
  while (writer_ == nullptr) {
    auto* first = static_cast<place*>(waiters_.front());
    if (first == nullptr || (first->writer && readers_ != 0)) return;
    if (first->writer)
      writer_ = first->fiber;
    else
      ++readers_;
    detail::unpark(*first);
  }
}

void shared_mutex::unlock() {
  detail::on_home(home_, "shared_mutex");
  if (writer_ != detail::current_fiber()) detail::throw_not_owner("shared_mutex unlocked by a fiber that does not hold it");
  writer_ = nullptr;
  let_in();
}

void shared_mutex::unlock_shared() {
  detail::on_home(home_, "shared_mutex");
  if (readers_ == 0) detail::throw_not_owner("shared_mutex: unlock_shared() without a reader");
  --readers_;
  let_in();
}

}  // namespace weft
