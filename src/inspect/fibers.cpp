#include "inspect/fibers.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace weft::inspect {
namespace {

// More than any program has: a list that is longer runs in a circle.
constexpr std::size_t most_hubs = 4096, most_fibers = 16'000'000;
// Several lists may hold one waiter (poll), but not many times more than there are.
constexpr std::size_t most_nodes(std::size_t waiters) { return 4 * waiters + 1024; }
constexpr std::size_t most_awaits = 256;

// A block that was copied whole.
class block {
public:
  block(memory& m, address at, std::size_t size) : bytes_(size) { good_ = m.read(at, bytes_.data(), size); }
  bool good() const { return good_; }
  template <class T>
  T get(std::uint32_t offset) const {
    T value{};
    if (offset + sizeof value <= bytes_.size()) std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

private:
  std::vector<unsigned char> bytes_;
  bool good_;
};

}  // namespace

std::vector<hub> reader::hubs() {
  std::vector<hub> out;
  const auto u64 = [&](address h, std::uint32_t offset) { return memory_.get_or<std::uint64_t>(h + offset); };
  for (address h = memory_.get_or<address>(roots_.root("hubs")); h != 0 && out.size() < most_hubs; h = u64(h, at_.next_hub)) {
    if (!memory_.get<address>(h)) break;
    hub one;
    one.at = h;
    one.thread = memory_.get_or<std::uint32_t>(h + at_.hub_thread);
    one.current = u64(u64(h, at_.hub_block), at_.carrier_current);
    one.idler = u64(h, at_.hub_idler);
    one.driver = u64(h, at_.hub_driver);
    one.sleeping = memory_.get_or<std::uint32_t>(h + at_.hub_sleeping) != 0;
    one.program_threads = memory_.get_or<bool>(h + at_.hub_program_threads);
    one.cached_now = u64(h, at_.hub_cached_now);
    one.virtual_now = memory_.get_or<bool>(h + at_.hub_virtual_time) ? u64(h, at_.hub_virtual_now) : 0;
    one.live = u64(h, at_.hub_live);
    one.parks = u64(h, at_.parks);
    one.switches = one.parks + u64(h, at_.switches);
    one.polls = u64(h, at_.polls);
    one.blocked_polls = u64(h, at_.blocked_polls);
    one.io_events = u64(h, at_.io_events);
    one.timers_fired = u64(h, at_.timers_fired);
    one.remote_wakes = u64(h, at_.remote_wakes);
    one.offloads = u64(h, at_.offloads);
    one.created = u64(h, at_.created);
    out.push_back(one);
  }
  std::reverse(out.begin(), out.end());  // the list has the newest first
  return out;
}

range reader::stack_of(const fiber& f, std::uint8_t flags, address stk, std::uint8_t log2) {
  if ((flags & at_.is_main) != 0) {
    const mapping* m = process_.mapping_of(f.context != 0 ? f.context : 0);
    return m != nullptr ? range{m->begin, m->end} : range{};
  }
  if (f.kind == fiber_kind::task) return {};
  if ((flags & at_.is_green) != 0) {
    // libc keeps the thread's control block at the top of its stack.
    return f.context != 0 && f.context < stk ? range{f.context, stk} : range{0, stk};
  }
  return slot_of(stk, log2);
}

// Of a stack of the pool's.
range reader::slot_of(address stk, std::uint8_t log2) {
  if (stk == 0 || log2 >= 48) return {};
  const address base = memory_.get_or<address>(stk + at_.stack_base) & ~address{7};
  return base != 0 ? range{base, base + (address{1} << log2)} : range{};
}

fiber reader::read_fiber(address where, std::size_t index) {
  fiber f;
  const block b(memory_, where, at_.fiber_size);
  if (!b.good()) return f;
  const auto flags = b.get<std::uint8_t>(at_.flags);
  f.at = where;
  f.hub = index;
  f.state = static_cast<fiber_state>(b.get<std::uint8_t>(at_.state));
  f.in_task = (flags & at_.is_in_task) != 0;
  f.green = (flags & at_.is_green) != 0;
  f.service = (flags & at_.is_service) != 0;
  f.listed = (flags & at_.is_unlisted) == 0;
  f.cancelled = b.get<bool>(at_.cancelled);
  // A fiber that runs a coroutine as a part of itself is marked as a task is, but has a stack.
  const bool stackless = f.in_task && b.get<std::uint8_t>(at_.stack_log2) == 0;
  f.kind = (flags & at_.is_main) != 0 ? fiber_kind::main : f.green ? fiber_kind::thread : stackless ? fiber_kind::task : fiber_kind::fiber;
  f.epoch = b.get<std::uint32_t>(at_.epoch);
  f.context = b.get<address>(at_.context);
  f.site = b.get<address>(at_.site);
  f.extra = b.get<address>(at_.extra);
  // A fiber that fails keeps the exception there while it ends.
  if (b.get<std::uint8_t>(at_.fiber_result) != at_.by_exception) f.created = b.get<std::uint64_t>(at_.made);
  if (f.state == fiber_state::parked) f.wait.waiter = b.get<address>(at_.parked);
  if (f.kind == fiber_kind::task) f.leaf = b.get<address>(at_.leaf);
  f.stack = stack_of(f, flags, b.get<address>(at_.stk), b.get<std::uint8_t>(at_.stack_log2));
  return f;
}

std::vector<fiber> reader::fibers(const hub& h, std::size_t index) {
  std::vector<fiber> out;
  std::unordered_set<address> seen;
  const auto add = [&](address where) {
    if (out.size() >= most_fibers || !seen.insert(where).second) return false;
    fiber f = read_fiber(where, index);
    if (f.at == 0 || f.state > fiber_state::done) return false;
    if (f.state != fiber_state::done) out.push_back(std::move(f));
    return true;
  };
  for (address f = h.at + at_.hub_main; f != 0 && add(f);) f = memory_.get_or<address>(f + at_.all_next);
  // Most of the queue were in the first list. A queue that moves while it is read may look like a ring.
  std::unordered_set<address> queued;
  for (address f = memory_.get_or<address>(h.at + at_.hub_ready_first); f != 0 && queued.insert(f).second;
       f = memory_.get_or<address>(f + at_.next))
    if (!add(f) && !seen.contains(f)) break;
  if (h.current != 0 && add(h.current)) {
    // Who ended and found nobody ready polls once more on its stack, as one that runs.
    const fiber& last = out.back();
    const bool ended = h.sleeping && last.state == fiber_state::running && !last.listed && !last.service;
    if (last.at == h.current && last.kind == fiber_kind::fiber && ended) out.pop_back();
  }
  // In a forked child whose thread was not main's, main is no more; that thread leads the rest.
  if (const auto leader = memory_.get_or<address>(roots_.root("leader")); h.program_threads && !out.empty() && leader != 0)
    if (const auto leads = memory_.get_or<address>(leader + at_.thread_fiber); leads != 0 && leads != out.front().at) {
      const auto it = std::find_if(out.begin(), out.end(), [&](const fiber& f) { return f.at == leads; });
      if (it != out.end()) {
        std::iter_swap(out.begin(), it);
        out.erase(it);
        out.front().kind = fiber_kind::main;
      }
    }
  // The list of those that have parked has the newest first.
  const auto behind_main = out.begin() + (out.empty() ? 0 : 1);
  std::reverse(behind_main, std::find_if(behind_main, out.end(), [](const fiber& f) { return !f.listed; }));
  return out;
}

void reader::add_greenlets(std::vector<fiber>& all) {
  const std::size_t fibers = all.size();
  for (std::size_t i = 0; i < fibers; ++i) {
    const fiber owner = all[i];
    const auto tree = owner.extra != 0 ? memory_.get_or<address>(owner.extra + at_.extra_greenlets) : 0;
    if (tree == 0) continue;
    const auto current = memory_.get_or<address>(tree + at_.tree_current);
    std::unordered_set<address> seen;
    for (auto g = memory_.get_or<address>(tree + at_.tree_live); g != 0 && all.size() < most_fibers && seen.insert(g).second;
         g = memory_.get_or<address>(g + at_.greenlet_next))
      if (g != current) all.push_back(read_greenlet(g, owner));
    // The fiber's own stack stands last of all in the chain of parents.
    address root = current;
    for (std::size_t n = 0; root != 0 && n < most_awaits && !memory_.get_or<bool>(root + at_.greenlet_is_root); ++n)
      root = memory_.get_or<address>(root + at_.greenlet_parent);
    if (root != 0 && root != current && memory_.get_or<bool>(root + at_.greenlet_is_root)) all.push_back(read_greenlet(root, owner));
  }
}

fiber reader::read_greenlet(address where, const fiber& owner) {
  fiber g;
  g.at = where;
  g.hub = owner.hub;
  g.state = fiber_state::suspended;
  g.service = owner.service;
  g.owner = owner.at;
  g.context = memory_.get_or<address>(where + at_.greenlet_context);
  if (memory_.get_or<bool>(where + at_.greenlet_is_root)) {
    g.kind = fiber_kind::own_stack;
    g.stack = owner.stack;
    return g;
  }
  g.kind = memory_.get_or<bool>(where + at_.greenlet_lent) ? fiber_kind::generator : fiber_kind::greenlet;
  g.stack = slot_of(memory_.get_or<address>(where + at_.greenlet_stack), memory_.get_or<std::uint8_t>(where + at_.greenlet_stack_log2));
  return g;
}

void reader::fetch_stacks(const std::vector<fiber>& all, std::size_t most) {
  std::vector<range> wanted;
  for (const fiber& f : all) {
    // The nodes by which it stands in lists lie beside it.
    if (f.wait.waiter != 0) wanted.push_back({f.wait.waiter - 128, f.wait.waiter + at_.waiter_size + 128});
    if (most == 0 || f.context == 0 || f.state == fiber_state::created) continue;
    const address end = f.stack.end > f.context ? f.stack.end : f.context + memory::page_size;
    wanted.push_back({f.context, std::min<address>(end, f.context + most)});
  }
  memory_.fetch(wanted);
}

void reader::read_names(fiber& f) {
  if (f.green) {
    const auto leader = memory_.get_or<address>(roots_.root("leader"));
    const address thread = memory_.get_or<address>(leader + at_.thread_fiber) == f.at ? leader : f.at;
    f.tid = memory_.get_or<std::uint32_t>(thread + at_.thread_tid);
    f.tid_word = memory_.get_or<address>(thread + at_.thread_clear_tid);
    const auto rare = memory_.get_or<address>(thread + at_.thread_rare);
    if (rare != 0 && memory_.get_or<bool>(rare + at_.rare_named)) f.name = memory_.text(rare + at_.rare_name, 15);
  }
  if (f.name.empty() && f.extra != 0) f.name = memory_.text(memory_.get_or<address>(f.extra + at_.extra_name), 64);
}

void reader::read_wait(fiber& f) {
  struct wait& w = f.wait;
  const block b(memory_, w.waiter, at_.waiter_size);
  if (!b.good() || b.get<address>(at_.waiter_fiber) != f.at) {  // not any more
    w = {};
    return;
  }
  w.reason = memory_.text(b.get<address>(at_.reason), 64);
  w.since = b.get<std::uint64_t>(at_.since);
  if (b.get<std::uint32_t>(at_.timer_position) != 0) w.deadline = b.get<std::uint64_t>(at_.deadline);
  // A coroutine's wait has its suspension right before it: two words.
  if (b.get<bool>(at_.awaited) && f.leaf == 0) f.leaf = w.waiter - 16;
}

void reader::read_awaits(fiber& f) {
  if (f.leaf == 0 || f.state == fiber_state::created || f.state == fiber_state::running) return;
  address promise = memory_.get_or<address>(f.leaf + at_.suspension_frame);
  if (promise == 0) return;
  for (promise += at_.promise_at; promise != 0 && f.awaits.size() < most_awaits;
       promise = memory_.get_or<address>(promise + at_.promise_parent))
    f.awaits.push_back({memory_.text(memory_.get_or<address>(promise + at_.promise_function)),
                        memory_.get_or<std::uint32_t>(promise + at_.promise_line)});
}

void reader::find_descriptors(const hub& h, const by_waiter& waiters) {
  const auto pages = memory_.get_or<address>(h.at + at_.hub_pages);
  const auto count = memory_.get_or<std::uint32_t>(h.at + at_.hub_page_count);
  for (std::uint32_t p = 0; p < count && p < 1u << 20; ++p) {
    const auto page = memory_.get_or<address>(pages + p * 8ul);
    if (page == 0) continue;
    for (std::uint32_t i = 0; i < at_.page_entries; ++i) {
      const address head = page + i * at_.entry_size + at_.entry_waiters;
      auto node = memory_.get_or<address>(head + at_.link_next);
      for (std::size_t n = 0; node != 0 && node != head && n < most_nodes(waiters.size()); ++n) {
        if (const auto who = waiters.find(memory_.get_or<address>(node + at_.target)); who != waiters.end())
          who->second->wait.descriptors.push_back(
              {static_cast<int>(p * at_.page_entries + i), memory_.get_or<std::uint32_t>(node + at_.events)});
        node = memory_.get_or<address>(node + at_.link_next);
      }
    }
  }
}

void reader::find_futexes(const by_waiter& waiters) {
  const address table = roots_.root("futex_buckets");
  for (std::uint32_t b = 0; table != 0 && b < at_.buckets; ++b) {
    auto node = memory_.get_or<address>(table + b * at_.bucket_size + at_.bucket_first);
    for (std::size_t n = 0; node != 0 && n < most_nodes(waiters.size()); ++n) {
      if (const auto who = waiters.find(memory_.get_or<address>(node + at_.node_target)); who != waiters.end())
        who->second->wait.futex = memory_.get_or<address>(node + at_.node_address);
      node = memory_.get_or<address>(node + at_.node_after);
    }
  }
}

void reader::find_joins(const std::vector<fiber>& all, const by_waiter& waiters) {
  for (const fiber& f : all) {
    const address head = f.at + at_.completion;
    auto node = memory_.get_or<address>(head + at_.link_next);
    for (std::size_t n = 0; node != 0 && node != head && n < most_nodes(waiters.size()); ++n) {
      if (const auto who = waiters.find(node); who != waiters.end()) who->second->wait.joins = f.at;
      node = memory_.get_or<address>(node + at_.link_next);
    }
  }
}

void reader::describe(std::vector<fiber>& all) {
  for (fiber& f : all) {
    read_names(f);
    if (f.wait.waiter != 0) read_wait(f);
    read_awaits(f);
  }
}

void reader::find_targets(const std::vector<hub>& hubs, std::vector<fiber>& all) {
  by_waiter waiters;
  for (fiber& f : all)
    if (f.wait.waiter != 0) waiters[f.wait.waiter] = &f;
  for (const hub& h : hubs) find_descriptors(h, waiters);
  find_futexes(waiters);
  find_joins(all, waiters);
  find_own_locks(hubs, all, waiters);
  find_pthread_locks(all);
}

}  // namespace weft::inspect
