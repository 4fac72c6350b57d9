// Latch and barrier.
#include "weft/latch.hpp"

#include <stdexcept>

namespace weft {

void latch::count_down(std::size_t n) {
  detail::on_home(home_, "latch");
  if (n > left_) detail::throw_not_owner("latch counted down below zero");
  left_ -= n;
  if (left_ == 0) waiters_.notify_all();
}

bool latch::wait_to(detail::nanos deadline) const {
  detail::hub& h = detail::on_home(home_, "latch");
  if (left_ == 0) {
    detail::check_cancelled(h);
    return true;
  }
  detail::waiter w("latch.wait");
  waiters_.push_back(w);
  return detail::wait_on(h, w, deadline);
}

broken_barrier::~broken_barrier() = default;

barrier::barrier(std::size_t parties, std::function<void()> completion)
    : home_(&detail::current_hub()), parties_(parties), completion_(std::move(completion)) {
  if (parties == 0) throw std::invalid_argument("a barrier needs at least one party");
}

// Everybody has come: `completion_`, then they are all let go.
void barrier::complete() {
  if (completion_) try {
      completion_();
    } catch (...) {
      --arrived_;  // the caller's own
      abort();
      throw;
    }
  arrived_ = 0;
  waiters_.notify_all();
}

barrier::place::place(barrier& b) noexcept : waiter("barrier.arrive_and_wait"), of(&b) {
  on_abort = [](detail::waiter* w) noexcept {
    barrier* b = static_cast<place*>(w)->of;
    if (b == nullptr || w->result == detail::wake::closed) return;
    // This one gives up, and with it the phase: the others would wait for ever.
    b->broken_ = true;
    b->break_waiters();
  };
}

barrier::~barrier() {
  while (detail::wait_node* n = waiters_.pop_front()) static_cast<place*>(n)->of = nullptr;
}

bool barrier::come() {
  detail::hub& h = detail::on_home(home_, "barrier");
  detail::check_cancelled(h);
  if (broken_) throw broken_barrier();
  if (++arrived_ < parties_) return false;
  complete();
  return true;
}

bool barrier::over(detail::hub& h, detail::wake why, const char* reason) {
  if (why == detail::wake::ready) return false;
  if (why == detail::wake::timeout) throw timeout_error("not all parties came to the barrier in time");
  detail::throw_if_ended(h, why, reason);
  throw broken_barrier();
}

bool barrier::arrive(detail::nanos deadline) {
  if (come()) return true;
  place p(*this);
  waiters_.push_back(p);
  return over(*home_, detail::park(*home_, p, deadline), p.reason);
}

void barrier::arrive_and_drop() {
  detail::on_home(home_, "barrier");
  if (parties_ == 0) return;
  --parties_;
  if (parties_ > 0 && arrived_ == parties_) complete();
}

void barrier::break_waiters() noexcept {
  arrived_ = 0;
  while (detail::wait_node* n = waiters_.front()) detail::unpark(*static_cast<detail::waiter*>(n), detail::wake::closed);
}

void barrier::abort() {
  detail::on_home(home_, "barrier");
  broken_ = true;
  break_waiters();
}

void barrier::reset() {
  detail::on_home(home_, "barrier");
  break_waiters();
  broken_ = false;
}

}  // namespace weft
