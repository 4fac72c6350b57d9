#include "core/wait_targets.hpp"

#include <algorithm>
#include <cstdio>
#include <unordered_set>

namespace weft::core {
namespace {

using detail::list_link;

std::string hex(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

// Only these end its wait: not time, either.
bool for_ever(const fiber_base* f) { return f->parked != nullptr && f->parked->timer.position == 0; }

}  // namespace

wait_target (*lock_around)(const char* reason, const list_link* head, const hub& h) = [](const char*, const list_link*, const hub&) {
  return wait_target{};
};

std::string called(const fiber_base* f) {
  const bool named = f->extra != nullptr && f->extra->name != nullptr;
  std::string out = (f->in_task && f->stack_log2 == 0 ? "task " : "fiber ") + hex(f);
  if (f->is_main || named) out.append(" \"").append(f->is_main ? "main" : f->extra->name).append("\"");
  return out;
}

wait_targets::wait_targets(hub& h) : hub_(h) {
  each_fiber(h, [&](fiber_base* f) {
    all_.push_back(f);
    if (f->parked != nullptr) parked_.emplace(f->parked, f);
    for (detail::wait_node* n = f->completion.front(); n != nullptr; n = f->completion.after(n)) joins_.emplace(n, f);
  });
}

// A list's ring runs through its head, which is the one that is no waiter's.
const list_link* wait_targets::head_of(const list_link* waiter) const {
  std::vector<const list_link*> path;
  const list_link* at = waiter;
  while (at != nullptr && path.size() <= parked_.size() && parked_.contains(at)) {
    if (const auto known = heads_.find(at); known != heads_.end()) {
      at = known->second;
      break;
    }
    path.push_back(at);
    at = at->next;
  }
  if (at != nullptr && parked_.contains(at)) at = nullptr;
  for (const list_link* each : path) heads_[each] = at;
  return at;
}

wait_target wait_targets::of(const fiber_base* f) const {
  if (f->parked == nullptr) return {};
  if (const auto whose = joins_.find(f->parked); whose != joins_.end()) return {nullptr, whose->second, 0};
  const list_link* head = head_of(f->parked);
  return head != nullptr ? lock_around(f->parked->reason, head, hub_) : wait_target{};
}

std::string wait_targets::words(const fiber_base* f) const {
  const wait_target t = of(f);
  if (t.lock == nullptr) return t.fiber != nullptr ? ", the end of " + called(t.fiber) : "";
  const std::string lock = ", lock " + hex(t.lock);
  if (t.fiber != nullptr) return lock + " held by " + called(t.fiber);
  return t.readers == 0 ? lock : lock + " held by " + std::to_string(t.readers) + (t.readers == 1 ? " reader" : " readers");
}

std::string wait_targets::circles() const {
  std::string out;
  std::unordered_set<const fiber_base*> done;
  for (const fiber_base* start : all_) {
    std::vector<const fiber_base*> path;
    const fiber_base* f = start;
    while (f != nullptr && done.insert(f).second) {
      path.push_back(f);
      f = for_ever(f) ? of(f).fiber : nullptr;
    }
    const auto begins = std::find(path.begin(), path.end(), f);
    if (f == nullptr || begins == path.end()) continue;
    out += "deadlock: none of these will ever go on\n";
    for (auto each = begins; each != path.end(); ++each) {
      const wait_target t = of(*each);
      const std::string other = called(t.fiber);
      out += "  " + called(*each) + " waits for ";
      out += t.lock != nullptr ? "the lock " + hex(t.lock) + ", which " + other + " holds\n" : "the end of " + other + "\n";
    }
  }
  return out;
}

}  // namespace weft::core
