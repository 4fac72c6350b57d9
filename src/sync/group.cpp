// Groups and pools: who is in, who waits for a place, how all end.
#include "weft/group.hpp"

#include <stdexcept>

namespace weft {

group::~group() {
  for (member& m : members_)
    if (m.linked()) m.unlink();
}

bool group::contains(const any_fiber& f) const noexcept {
  for (const member& m : members_)
    if (m.fiber == f) return true;
  return false;
}

std::size_t group::room() const noexcept {
  if (limit_ == 0) return static_cast<std::size_t>(-1);
  const std::size_t used = members_.size() + entering_;
  return used >= limit_ || !line_.empty() ? 0 : limit_ - used;
}

bool group::enter_now() {
  detail::hub& h = detail::on_home(home_, "group");
  if (limit_ == 0) return true;
  detail::check_cancelled(h);
  if (room() == 0) return false;
  ++entering_;
  return true;
}

// Places are given away in line: who is woken has one.
void group::enter() {
  if (enter_now()) return;
  detail::waiter w("pool.spawn");
  line_.push_back(w);
  detail::wait_on(*home_, w);
}

// A place is free again.
void group::leave() noexcept {
  if (limit_ == 0) return;
  if (entering_ != 0) --entering_;
  if (members_.size() + entering_ >= limit_) return;
  if (detail::wait_node* n = line_.front()) {
    ++entering_;
    detail::unpark(*static_cast<detail::waiter*>(n));
  }
}

void group::keep(std::list<member>& room, const any_fiber& f) noexcept {
  if (entering_ != 0) --entering_;
  member& m = room.front();
  m.owner = this;
  m.fiber = f;
  m.self = room.begin();
  // As the fiber ends, by the core: bounded, and never parks. The handle may be the last: its destruction is left to the fiber's own end.
  m.notify = [](detail::wait_node* n) noexcept {
    auto& self = *static_cast<member*>(n);
    group& owner = *self.owner;
    owner.members_.erase(self.self);
    if (owner.limit_ != 0 && owner.members_.size() + owner.entering_ < owner.limit_)
      if (detail::wait_node* next = owner.line_.front()) {
        ++owner.entering_;
        detail::unpark(*static_cast<detail::waiter*>(next));
      }
  };
  f.weft_base()->completion.push_back(m);
  members_.splice(members_.end(), room);
}

void group::add(const any_fiber& f) {
  const detail::completion_view what = f.weft_completion();
  if (what.home != home_) throw wrong_hub("the fiber");
  if (what.waiters == nullptr || contains(f)) return;
  std::list<member> room(1);
  enter();
  if (f.done())
    leave();
  else
    keep(room, f);
}

bool group::discard(const any_fiber& f) {
  detail::on_home(home_, "group");
  for (member& m : members_)
    if (m.fiber == f) {
      m.unlink();
      m.notify(&m);
      return true;
    }
  return false;
}

bool group::join(std::optional<std::chrono::nanoseconds> timeout, bool raise_error) {
  detail::hub& h = detail::on_home(home_, "group");
  detail::check_cancelled(h);
  const detail::nanos deadline = timeout ? detail::deadline_after(h, *timeout) : detail::never;
  while (!members_.empty()) {
    if (!raise_error) {
      // Kept alive by this handle while it is waited for.
      const any_fiber first = members_.front().fiber;
      if (!detail::wait_done(first.weft_completion(), deadline, "group.join")) return false;
      continue;
    }
    std::vector<any_fiber> now;
    for (const member& m : members_) now.push_back(m.fiber);
    detail::countdown links(h, now.size());
    for (const any_fiber& f : now) links.watch(f.weft_completion());
    for (std::size_t left = now.size(); left > 0; --left) {
      const std::size_t which = links.wait_one(deadline, "group.join");
      if (which == links.none) return false;
      if (auto failure = now[which].exception()) std::rethrow_exception(failure);
    }
  }
  return true;
}

bool group::kill(std::optional<std::chrono::nanoseconds> timeout) {
  detail::on_home(home_, "group");
  for (const member& m : members_) m.fiber.cancel();
  return join(timeout);
}

void group::stop_all(const std::vector<any_fiber>& fibers) {
  for (const any_fiber& f : fibers)
    if (f) f.cancel();
  for (const any_fiber& f : fibers) {
    if (!f || f.done()) continue;
    detail::waiter w("cancelling");
    w.uncancellable = true;
    f.weft_base()->completion.push_back(w);
    detail::wait_on(detail::current_hub(), w);
  }
  // What they failed with now has been answered by stopping them.
  for (const any_fiber& f : fibers)
    if (f) (void)f.exception();
}

pool::pool(std::size_t size) : group(size) {
  if (size == 0) throw std::invalid_argument("a pool needs room for at least one fiber");
}

bool pool::wait_available(std::optional<std::chrono::nanoseconds> timeout) {
  detail::hub& h = detail::on_home(home_, "pool");
  detail::check_cancelled(h);
  if (room() != 0) return true;
  detail::waiter w("pool.wait_available");
  line_.push_back(w);
  if (!detail::wait_on(h, w, timeout ? detail::deadline_after(h, *timeout) : detail::never)) return false;
  leave();  // the place was given, and is for whoever comes
  return true;
}

}  // namespace weft
