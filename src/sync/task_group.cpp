// The life of a task group: children, the first failure, the join that nothing cuts short.
#include "weft/task_group.hpp"

#include "core/hub_state.hpp"

namespace weft {

bool detail::starting::listens() const {
  on_home(home, "task_status");
  if (at == stage::told) throw error("started() was said before");
  // Somebody who was woken otherwise is about to give up.
  return at == stage::waiting && !line.empty();
}

void detail::starting::tell() noexcept {
  at = stage::told;
  line.notify_all();
}

task_group::~task_group() {
  if (running_.empty()) return;
  cancel_all();
  wait(true);
}

void task_group::adopt(std::list<child>& room, const any_fiber& f) {
  child& c = room.front();
  c.group = this;
  c.fiber = f;
  c.self = room.begin();
  c.notify = [](detail::wait_node* n) noexcept {
    auto& self = *static_cast<child*>(n);
    self.group->ended(self);
  };
  f.weft_base()->completion.push_back(c);
  running_.splice(running_.end(), room);
  if (cancelled_) f.cancel();
}

// Called as the fiber ends, by the core: bounded, and never parks. A failure stays unobserved until somebody asks the group.
void task_group::ended(child& c) noexcept {
  const auto result = c.fiber.weft_base()->result;
  if (c.start != nullptr && c.start->at != detail::starting::stage::told) {
    // start() has a handle of its own, and looks how it ended.
    const std::shared_ptr<detail::starting> start = std::move(c.start);
    start->at = detail::starting::stage::over;
    running_.erase(c.self);
    start->line.notify_all();
  } else if (result == detail::outcome::exception || result == detail::outcome::no_stack) {
    failed_.splice(failed_.end(), running_, c.self);
    if (failed_.size() == 1) cancel_all();
  } else {
    // When nobody but the group held on to it, its result goes here, at the end of its own stack, not in the switch away from it.
    if (c.fiber.weft_base()->refs == 2) core::fiber_dispose(c.fiber.weft_base());
    running_.erase(c.self);
  }
  if (running_.empty()) idle_.notify_all();
}

void task_group::cancel_all() noexcept {
  cancelled_ = true;
  if (body_ != nullptr) body_->cancel();
  for (child& c : running_) detail::fiber_cancel(c.fiber.weft_base());
}

void task_group::cancel() {
  detail::on_home(home_, "task_group");
  cancel_all();
}

void task_group::wait(bool uncancellable) {
  detail::hub& h = detail::on_home(home_, "task_group");
  // Somebody who was made ready at the same time may have spawned again.
  while (!running_.empty()) {
    detail::waiter w("task_group.join");
    w.uncancellable = uncancellable;
    idle_.push_back(w);
    detail::wait_on(h, w);
  }
}

void task_group::wait_started(detail::starting& s, const any_fiber& child) {
  std::exception_ptr cut_off;
  try {
    detail::waiter w("task_group.start");
    s.line.push_back(w);
    detail::wait_on(*home_, w);
  } catch (...) {
    cut_off = std::current_exception();
  }
  if (s.at == detail::starting::stage::told) return;
  if (cut_off != nullptr) {
    s.at = detail::starting::stage::over;
    child.cancel();
    if (!child.done()) {
      detail::waiter w("cancelling");
      w.uncancellable = true;
      child.weft_base()->completion.push_back(w);
      detail::wait_on(*home_, w);
    }
  }
  throw_not_started(child, cut_off);
}

void task_group::throw_not_started(const any_fiber& child, const std::exception_ptr& cut_off) {
  if (auto failure = child.exception()) std::rethrow_exception(failure);
  if (cut_off != nullptr) std::rethrow_exception(cut_off);
  if (child.was_cancelled()) throw fiber_cancelled();
  throw not_started();
}

void task_group::join() {
  detail::check_cancelled(detail::on_home(home_, "task_group"));
  finish(nullptr);
}

void task_group::finish(std::exception_ptr failure) {
  if (failure == nullptr) {
    try {
      wait(false);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (failure == nullptr) {
    throw_first();
    return;
  }
  // The host was cut off, or its body failed. Nothing of that goes on before the children are over.
  const bool host_cancelled = core::is_cancelled(failure);
  if (!host_cancelled) {
    failed_.emplace_back();
    failed_.back().failure = std::exchange(failure, nullptr);
  }
  cancel_all();
  wait(true);
  throw_first();
  if (failure != nullptr) std::rethrow_exception(failure);
}

void task_group::throw_first() {
  if (failed_.empty() || thrown_) return;
  thrown_ = true;
  // All are seen now: the first by its thrower, the others are the group's to tell.
  std::exception_ptr first;
  for (const child& c : failed_) {
    const std::exception_ptr e = c.fiber ? c.fiber.exception() : c.failure;
    if (first == nullptr) first = e;
  }
  std::rethrow_exception(first);
}

std::vector<std::exception_ptr> task_group::errors() const {
  std::vector<std::exception_ptr> all;
  for (const child& c : failed_)
    if (&c != &failed_.front()) all.push_back(c.fiber ? c.fiber.exception() : c.failure);
  return all;
}

}  // namespace weft
