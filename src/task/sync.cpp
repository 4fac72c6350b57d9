// The waits of coroutines that have more than one part: a condition and its lock, a fiber that works for a task.
#include "weft/task/sync.hpp"

#include <system_error>

#include "weft/task/in_fiber.hpp"

namespace weft::detail {

void join_operation::refuse_hub() { throw wrong_hub("what is waited for"); }
void join_operation::refuse_self() { throw self_join(); }

void lock_operation::refuse() {
  throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur), "the task holds the mutex already");
}

bool condition_operation::await_ready() const {
  task_access::home(condition_);
  if (!lock_.owns_lock()) throw_not_owner("condition_variable.wait without the lock");
  return false;
}

bool condition_operation::begin() {
  mutex_ = lock_.mutex();
  lock_.unlock();
  task_access::waiters(condition_).push_back(*this);
  step = relock;
  return suspend_on(*this, until_) || !relock(*this);
}

bool condition_operation::relock(suspension& s) noexcept {
  auto& me = static_cast<condition_operation&>(s);
  if (me.why_ != wake::pending) return true;  // the second wait is over
  me.why_ = me.result;
  fiber_base*& owner = task_access::owner(*me.mutex_);
  if (owner == nullptr) {
    owner = me.fiber;
    me.result = wake::ready;
    return true;
  }
  me.result = wake::pending;
  me.uncancellable = true;
  task_access::waiters(*me.mutex_).push_back(me);
  return !suspend_on(me, never);
}

bool condition_operation::await_resume() {
  hub& h = current_hub();
  if (result != wake::ready) throw_if_ended(h, result, reason);  // the lock could not be had again: a deadlock
  lock_ = std::unique_lock<mutex>(*mutex_, std::adopt_lock);
  throw_if_ended(h, why_, reason);
  return why_ == wake::ready;
}

bool fiber_operation::begin(any_fiber& worker) noexcept {
  worker_ = &worker;
  worker.weft_base()->completion.push_back(*this);
  step = let_go;
  return suspend_on(*this, never) || !let_go(*this);
}

bool fiber_operation::let_go(suspension& s) noexcept {
  auto& me = static_cast<fiber_operation&>(s);
  fiber_base* f = me.worker_->weft_base();
  if (me.result != wake::ready && me.why_ == wake::ready) me.why_ = me.result;
  if (f->state == fiber_state::done) return true;
  fiber_cancel(f);
  me.result = wake::pending;
  me.uncancellable = true;
  f->completion.push_back(me);
  return !suspend_on(me, never);
}

void fiber_operation::end() const {
  // What it has done is not lost: a cancellation is thrown at the next await again.
  if (why_ != wake::ready && worker_->was_cancelled()) throw_if_ended(current_hub(), why_, reason);
}

}  // namespace weft::detail
