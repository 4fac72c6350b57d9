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
  }
}

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
    case kernel_call::kind::blocked: return "sleeps in " + system_call_name(t.call.number);
    case kernel_call::kind::unknown: break;
  }
  return "?";
}

std::string words::blocked_in(const hub& h) const {
  if (h.sleeping) return {};
  for (const os_thread& t : seen_.threads)
    if (t.id == h.os_thread && t.call.what == kernel_call::kind::blocked && t.call.number >= 0) return system_call_name(t.call.number);
  return {};
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

std::string words::lock_of(const fiber& f) const {
  const struct wait& w = f.wait;
  if (w.lock == 0) return {};
  std::string out = "lock " + hex(w.lock);
  if (w.holder != 0) return out + " held by " + thread(w.holder);
  if (w.owner != 0) return out + " held by " + fiber_at(w.owner);
  // Nobody: it is being handed on, or kept for whoever stands in front.
  return w.readers == 0 ? out : out + " held by " + grouped(w.readers) + (w.readers == 1 ? " reader" : " readers");
}

std::string words::waits_for(const fiber& f) {
  if (f.state == fiber_state::suspended)
    return f.kind == fiber_kind::own_stack ? "its greenlets, in " + fiber_at(f.owner) : "a switch to it, in " + fiber_at(f.owner);
  if (f.state == fiber_state::running && seen_.is_running(f)) {
    const std::string call = blocked_in(seen_.hubs[f.hub]);
    return call.empty() ? "" : "the kernel, in " + call + ": nobody else of its hub can run";
  }
  if (f.state != fiber_state::parked) return {};
  const struct wait& w = f.wait;
  std::string out = w.reason.empty() ? "?" : printable(w.reason);
  if (!w.descriptors.empty()) {
    out += " on ";
    for (std::size_t i = 0; i < w.descriptors.size() && i < descriptors_named; ++i) {
      if (i != 0) out += ", ";
      out += std::to_string(w.descriptors[i].fd);
      if (const std::string& what = files_.of(w.descriptors[i].fd); !what.empty()) out += " (" + printable(what) + ")";
    }
    if (w.descriptors.size() > descriptors_named) out += ", and " + std::to_string(w.descriptors.size() - descriptors_named) + " more";
  }
  if (w.lock != 0)
    out = lock_of(f);
  else if (w.joins != 0)
    out = "the end of " + fiber_at(w.joins);
  else if (w.futex != 0)
    out += " " + hex(w.futex);
  if (const std::uint64_t now = seen_.now_of(f); w.deadline != 0 && w.deadline > now) out += ", " + duration(w.deadline - now) + " at most";
  return out;
}

std::vector<circle> deadlocks(const look& seen, const words& w) {
  const auto next = [&](const fiber* f) -> const fiber* {
    if (f->state != fiber_state::parked || f->wait.deadline != 0) return nullptr;
    if (f->wait.owner != 0) return w.by_address(f->wait.owner);
    if (f->wait.holder != 0) return w.by_tid(f->wait.holder);
    return f->wait.joins != 0 ? w.by_address(f->wait.joins) : nullptr;
  };
  std::vector<circle> out;
  std::unordered_set<const fiber*> done;
  for (const fiber& start : seen.fibers) {
    circle path;
    const fiber* f = &start;
    while (f != nullptr && done.insert(f).second) {
      path.push_back(f);
      f = next(f);
    }
    if (f == nullptr) continue;
    if (const auto begins = std::find(path.begin(), path.end(), f); begins != path.end()) out.emplace_back(begins, path.end());
  }
  return out;
}

std::string told(const circle& c, const words& w) {
  const auto who = [&](const fiber* f) { return w.fiber_at(f->at); };
  std::string out;
  for (std::size_t i = 0; i < c.size(); ++i) {
    const fiber* other = c[(i + 1) % c.size()];
    out += "  " + who(c[i]) + " waits for ";
    const address lock = c[i]->wait.lock;
    out += lock != 0 ? "the lock " + hex(lock) + ", which " + who(other) + " holds\n" : "the end of " + who(other) + "\n";
  }
  return out;
}

}  // namespace weft::inspect
