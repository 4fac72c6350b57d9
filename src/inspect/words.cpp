#include "inspect/words.hpp"

#include <algorithm>
#include <unordered_set>

#include "inspect/text.hpp"

namespace weft::inspect {
namespace {

constexpr const char* call_names[] = {
#include <syscall_names.inc>
};

constexpr std::size_t descriptors_named = 4;

}  // namespace

std::string system_call_name(long number) {
  const auto n = static_cast<std::size_t>(number);
  if (number < 0) return "no system call";
  return n < sizeof call_names / sizeof *call_names && call_names[n] != nullptr ? call_names[n] : "system call " + std::to_string(number);
}

words::words(const process& p, const look& seen) : process_(p), seen_(seen), files_(p) {
  for (const fiber& f : seen.fibers) {
    if (f.tid != 0) tids_[f.tid] = &f;
    addresses_[f.at] = &f;
    if (counts(f)) ++company_[&seen.hubs[f.hub]];
  }
}

// Not what Weft runs for itself, nor a stack on which nobody stands.
bool words::counts(const fiber& f) { return !f.service && f.state != fiber_state::suspended; }

std::string words::id(const fiber& f) const { return f.tid != 0 ? std::to_string(f.tid) : hex(f.at); }

std::string words::name(const fiber& f) const {
  if (!f.name.empty()) return printable(f.name);
  if (f.kind == fiber_kind::main) return "main";
  return f.kind == fiber_kind::thread ? printable(process_.name()) : "";
}

const char* words::kind(const fiber& f) {
  switch (f.kind) {
    case fiber_kind::main: return "main";
    case fiber_kind::fiber: return "fiber";
    case fiber_kind::task: return "task";
    case fiber_kind::thread: return "thread";
    case fiber_kind::greenlet: return "greenlet";
    case fiber_kind::generator: return "generator";
    case fiber_kind::own_stack: return "own stack";
  }
  return "?";
}

std::string words::doing(const os_thread& t) {
  switch (t.call.what) {
    case kernel_call::kind::running: return "computes";
    case kernel_call::kind::blocked: return "sleeps in " + system_call_name(t.call.number) + on_descriptors(t.waits_on);
    case kernel_call::kind::unknown: break;
  }
  return "?";
}

const os_thread* words::blocked_thread(const hub& h) const {
  if (h.sleeping) return nullptr;
  for (const os_thread& t : seen_.threads)
    if (t.id == h.os_thread && t.call.what == kernel_call::kind::blocked && t.call.number >= 0) return &t;
  return nullptr;
}

std::string words::blocked_in(const hub& h) const {
  const os_thread* t = blocked_thread(h);
  return t != nullptr ? system_call_name(t->call.number) : "";
}

std::string words::on_descriptors(const std::vector<int>& fds) {
  std::string out;
  for (std::size_t i = 0; i < fds.size() && i < descriptors_named; ++i) {
    out += (i == 0 ? " on " : ", ") + std::to_string(fds[i]);
    if (const std::string& what = files_.of(fds[i]); !what.empty()) out += " (" + printable(what) + ")";
  }
  if (fds.size() > descriptors_named) out += ", and " + std::to_string(fds.size() - descriptors_named) + " more";
  return out;
}

std::vector<const fiber*> words::fibers_of(const hub& h) const {
  std::vector<const fiber*> out;
  for (const fiber& f : seen_.fibers)
    if (&seen_.hubs[f.hub] == &h && counts(f)) out.push_back(&f);
  return out;
}

const char* words::plain_state(const fiber& f) {
  switch (f.state) {
    case fiber_state::created: return "not begun";
    case fiber_state::ready: return "ready";
    case fiber_state::running: return "running";
    case fiber_state::parked: return "parked";
    case fiber_state::done: return "done";
    case fiber_state::suspended: return "suspended";
  }
  return "?";
}

std::string words::state(const fiber& f) const {
  std::string out = plain_state(f);
  if (f.state == fiber_state::running && seen_.is_running(f) && !blocked_in(seen_.hubs[f.hub]).empty()) out = "blocked";
  if (f.cancelled) out += ", cancelled";
  return out;
}

const fiber* words::by_tid(std::uint32_t tid) const {
  const auto at = tids_.find(tid);
  return at != tids_.end() ? at->second : nullptr;
}

const fiber* words::by_address(address where) const {
  const auto at = addresses_.find(where);
  return at != addresses_.end() ? at->second : nullptr;
}

std::string words::thread(std::uint32_t tid) const {
  const fiber* f = by_tid(tid);
  const std::string called = f != nullptr ? name(*f) : "";
  return std::to_string(tid) + (called.empty() ? "" : " (" + called + ")");
}

std::string words::fiber_at(address where) const {
  const fiber* f = by_address(where);
  if (f == nullptr) return hex(where);
  return id(*f) + (name(*f).empty() ? "" : " (" + name(*f) + ")");
}

const hub* words::hub_that_holds(const fiber& f) const {
  if (f.wait.holder == 0 || by_tid(f.wait.holder) != nullptr) return nullptr;
  for (const hub& h : seen_.hubs)
    if (h.thread == f.wait.holder) return &h;
  return nullptr;
}

std::string words::holder_of(const fiber& f) const {
  const struct wait& w = f.wait;
  if (w.owner != 0) return fiber_at(w.owner);
  if (w.holder == 0) return {};
  if (by_tid(w.holder) != nullptr) return thread(w.holder);
  for (const os_thread& t : seen_.threads) {
    if (t.inner_id != w.holder) continue;
    const hub* h = hub_that_holds(f);
    const std::string of = h != nullptr && company_.at(h) > 1 ? "a fiber of " : "";
    return of + "OS thread " + std::to_string(t.id) + (t.name.empty() || !of.empty() ? "" : " (" + printable(t.name) + ")");
  }
  return "OS thread " + std::to_string(w.holder);
}

std::string words::lock_of(const fiber& f) const {
  const struct wait& w = f.wait;
  if (w.lock == 0) return {};
  const std::string lock = "lock " + hex(w.lock);
  if (const std::string holder = holder_of(f); !holder.empty()) return lock + " held by " + holder;
  // Nobody: it is being handed on, or kept for whoever stands in front.
  return w.readers == 0 ? lock : lock + " held by " + grouped(w.readers) + (w.readers == 1 ? " reader" : " readers");
}

std::string words::target_of(const fiber& f) const {
  return f.wait.lock != 0 ? lock_of(f) : f.wait.joins != 0 ? "the end of " + fiber_at(f.wait.joins) : "";
}

std::string words::waits_alike(const std::vector<const fiber*>& alike) const {
  const fiber& first = *alike.front();
  const bool all_same = std::all_of(alike.begin(), alike.end(), [&](const fiber* f) { return f->wait.joins == first.wait.joins; });
  if (first.wait.lock != 0 || (first.wait.joins != 0 && all_same)) return target_of(first);
  return first.wait.joins != 0 ? "the end of one other each" : printable(first.wait.reason);
}

std::string words::waits_for(const fiber& f) {
  if (f.state == fiber_state::suspended)
    return f.kind == fiber_kind::own_stack ? "its greenlets, in " + fiber_at(f.owner) : "a switch to it, in " + fiber_at(f.owner);
  if (f.state == fiber_state::running && seen_.is_running(f)) {
    const hub& h = seen_.hubs[f.hub];
    const os_thread* t = blocked_thread(h);
    if (t == nullptr) return {};
    const std::string call = "the kernel, in " + system_call_name(t->call.number) + on_descriptors(t->waits_on);
    return company_.at(&h) > 1 ? call + ": nobody else of its hub can run" : call;
  }
  if (f.state != fiber_state::parked) return {};
  const struct wait& w = f.wait;
  std::string out = target_of(f);
  if (out.empty()) {
    std::vector<int> fds;
    if (w.reason != "sigtimedwait")  // which waits on a signalfd of Weft's own
      for (const auto& d : w.descriptors) fds.push_back(d.fd);
    out = (w.reason.empty() ? "?" : printable(w.reason)) + on_descriptors(fds);
    if (w.futex != 0) out += " " + hex(w.futex);
  }
  if (const std::uint64_t now = seen_.now_of(f); w.deadline != 0 && w.deadline > now) out += ", " + duration(w.deadline - now) + " at most";
  return out;
}

namespace {

bool for_ever(const fiber& f) { return f.state == fiber_state::parked && f.wait.deadline == 0; }

// The one that alone can end its wait; null when that may be somebody else, or is not known.
const fiber* waits_for_whom(const fiber& f, const words& w) {
  if (!for_ever(f)) return nullptr;
  if (f.wait.owner != 0) return w.by_address(f.wait.owner);
  if (f.wait.holder != 0) return w.by_tid(f.wait.holder);
  return f.wait.joins != 0 ? w.by_address(f.wait.joins) : nullptr;
}

std::vector<deadlock> circles(const look& seen, const words& w) {
  std::vector<deadlock> out;
  std::unordered_set<const fiber*> done;
  for (const fiber& start : seen.fibers) {
    deadlock path;
    const fiber* f = &start;
    while (f != nullptr && done.insert(f).second) {
      path.push_back(f);
      f = waits_for_whom(*f, w);
    }
    if (f == nullptr) continue;
    if (const auto begins = std::find(path.begin(), path.end(), f); begins != path.end()) out.emplace_back(begins, path.end());
  }
  return out;
}

// Those whose wait nobody can end but others of them: what is left when all are taken away who may go on, and whoever waits for those.
std::unordered_set<const fiber*> stuck(const look& seen, const words& w) {
  std::unordered_set<const fiber*> left;
  for (const fiber& f : seen.fibers)
    if (waits_for_whom(f, w) != nullptr || (for_ever(f) && w.hub_that_holds(f) != nullptr)) left.insert(&f);
  for (bool changed = true; changed;) {
    changed = false;
    std::unordered_set<const hub*> moving;  // somebody of these may go on, and may be the one who holds a lock
    for (const fiber& f : seen.fibers)
      if (words::counts(f) && !left.contains(&f)) moving.insert(&seen.hubs[f.hub]);
    for (auto at = left.begin(); at != left.end();) {
      const hub* h = w.hub_that_holds(**at);
      const bool goes_on = h != nullptr ? moving.contains(h) : !left.contains(waits_for_whom(**at, w));
      at = goes_on ? left.erase(at) : std::next(at);
      changed = changed || goes_on;
    }
  }
  return left;
}

}  // namespace

std::vector<deadlock> deadlocks(const look& seen, const words& w) {
  std::vector<deadlock> out = circles(seen, w);
  if (std::none_of(seen.fibers.begin(), seen.fibers.end(), [&](const fiber& f) { return w.hub_that_holds(f) != nullptr; })) return out;
  std::unordered_set<const hub*> held;
  for (const fiber* f : stuck(seen, w))
    if (const hub* h = w.hub_that_holds(*f)) held.insert(h);
  for (const hub& h : seen.hubs)
    if (held.contains(&h)) out.push_back(w.fibers_of(h));
  return out;
}

std::string told(const deadlock& d, const words& w) {
  std::string out;
  for (const fiber* f : d) {
    out += "  " + w.fiber_at(f->at) + " waits for ";
    out += f->wait.lock != 0 ? "the lock " + hex(f->wait.lock) + ", which " + w.holder_of(*f) + " holds\n" : w.target_of(*f) + "\n";
  }
  return out;
}

}  // namespace weft::inspect
