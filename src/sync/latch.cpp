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

barrier::place barrier::arrive(detail::nanos deadline) {
  detail::hub& h = detail::on_home(home_, "barrier");
  detail::check_cancelled(h);
  if (broken_) throw broken_barrier();
  if (++arrived_ >= parties_) {
    complete();
    return place::last;
  }
  detail::waiter w("barrier.arrive_and_wait");
  waiters_.push_back(w);
  const detail::wake why = detail::park(h, w, deadline);
  if (why == detail::wake::ready) return place::waited;
  if (why == detail::wake::closed) throw broken_barrier();
  // This one gives up, and with it the phase: the others would wait for ever.
  --arrived_;
  abort();
  if (why == detail::wake::timeout) throw timeout_error("not all parties came to the barrier in time");
  detail::throw_if_ended(h, why, w.reason);
  throw broken_barrier();
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
