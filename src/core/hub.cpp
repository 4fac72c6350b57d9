#include "core/hub.hpp"
#include "core/switch.hpp"

#include <new>

#include "sys/clock.hpp"
#include "sys/mem.hpp"
#include "sys/usage.hpp"

// The inbox's atomics are in code that TSan does not see: it is told of the order that they make.
extern "C" {
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
}

namespace weft::core {
namespace {

using detail::nanos;
using detail::never;

// By how much a sleep is prolonged when `near` timers stand within the next millisecond or so, so that one sleep serves several:
// a sleep costs as much as the wakes of ten fibers. The kernel's own slack is 50 us.
constexpr nanos slack_for(std::size_t near) noexcept { return near < 16 ? 0 : near < 64 ? 200'000 : 500'000; }

constexpr nanos stuck_grace = 5 * sys::ns_per_s;

std::uint32_t random_below(hub& h, std::size_t n) noexcept {
  h.shuffle ^= h.shuffle << 13;
  h.shuffle ^= h.shuffle >> 7;
  h.shuffle ^= h.shuffle << 17;
  return static_cast<std::uint32_t>(h.shuffle % n);
}

// Nothing is ready, no timer is armed, no descriptor is waited on. Tells the public layers when it is certain that nothing will
// change, and, after a while, when only another thread could change it.
nanos stuck_wait(hub& h) noexcept {
  if (h.idle_reported || on_stuck == nullptr) return never;
  const bool remote = h.external.load_relaxed() != 0 || h.futex_waiters != 0;
  if (!remote && !other_threads()) {
    // A thread may have left something for us before it ended.
    if (h.inbox.empty()) on_stuck(h, true);
    return 0;
  }
  return stuck_grace;
}

// Gives pages of idle stacks back before the hub sleeps: some now; what was in use a moment ago is looked at again in a second.
void trim_stacks(hub& h, nanos& timeout) noexcept {
  using trimmed = stack_pool::trimmed;
  if (h.trim_left == trimmed::some || h.cached_now - h.last_trim > sys::ns_per_s) {
    h.last_trim = h.cached_now;
    h.trim_left = h.stacks.trim();
  }
  if (h.trim_left == trimmed::some) timeout = 0;
  if (h.trim_left == trimmed::later && timeout > sys::ns_per_s) timeout = sys::ns_per_s + 1;
}

}  // namespace

// A ready queue that never runs empty must not starve I/O: some 40 us.
constexpr std::uint64_t cycles_between_looks = 100'000;

void (*on_stuck)(hub& h, bool certain) noexcept = nullptr;
void (*end_offload)(hub& h) noexcept = nullptr;

std::size_t hub_bytes() noexcept {
  return sys::round_up(sys::round_up(sizeof(hub), 64) + poller::storage_bytes(), sys::page_size);
}

hub* hub_open(void* memory, detail::carrier* block, eh_globals* eh, int* errno_at, long& error) noexcept {
  auto* h = new (memory) hub;
  sys::fill(&h->stats, 0, sizeof h->stats);
  h->poll = poller::open(static_cast<char*>(memory) + sys::round_up(sizeof(hub), 64), poller::storage_bytes(), error);
  if (h->poll == nullptr) return nullptr;
  h->block = block;
  h->eh = eh;
  h->errno_at = errno_at;
  h->main.home = h;
  h->main.is_main = true;
  h->main.state = fiber_state::running;
  h->main.unlisted = false;
  h->cached_now = h->last_trim = h->main.created = sys::monotonic_ns();
  h->timers.start(h->cached_now);
  h->timers.nearing = sleeper_nears;
  return h;
}

void hub_close(hub& h) noexcept {
  h.poll->shut();
  h.~hub();
}

void hub_post(hub& h, remote_node& n) noexcept {
  // Push, then look whether the hub sleeps; the hub says that it sleeps, then looks into the inbox. Both in one total order
  // (seq_cst): one of the two sees the other.
  if (trace::on()) [[unlikely]]
    trace::post(n);
  if (__tsan_release != nullptr) __tsan_release(&h.inbox);
  h.inbox.push(n);
  if (h.sleeping.load_seq_cst() != 0) h.poll->wake();
}

namespace {

void empty_inbox(hub& h) noexcept {
  if (remote_node* n = h.inbox.take()) {
    if (__tsan_acquire != nullptr) __tsan_acquire(&h.inbox);
    (h.remote_last != nullptr ? h.remote_last->next : h.remote_first) = n;
    while (n->next != nullptr) n = n->next;
    h.remote_last = n;
  }
}

}  // namespace

void drop_remote(hub& h, bool (*unwanted)(remote_node* n) noexcept) noexcept {
  empty_inbox(h);
  remote_node* left = h.remote_first;
  h.remote_first = h.remote_last = nullptr;
  while (remote_node* n = left) {
    left = n->next;
    n->next = nullptr;
    if (unwanted(n)) continue;
    (h.remote_last != nullptr ? h.remote_last->next : h.remote_first) = n;
    h.remote_last = n;
  }
}

void take_remote(hub& h) noexcept {
  empty_inbox(h);
  // What runs may come back here (it ends a fiber): the list is the hub's, so that the order holds.
  while (remote_node* n = h.remote_first) {
    h.remote_first = n->next;
    if (h.remote_first == nullptr) h.remote_last = nullptr;
    ++h.stats.remote_wakes;
    if (h.traced) [[unlikely]]
      trace::remote(h, *n);
    n->run(h, n);
  }
}

void shuffle_ready(hub& h) noexcept {
  std::size_t count = 0;
  for (const fiber_base* f = h.ready_first; f != nullptr; f = f->next) ++count;
  for (std::uint32_t n = random_below(h, count); n > 0; --n) {
    fiber_base* f = h.ready_first;
    h.ready_first = f->next;
    f->next = nullptr;
    h.ready_last->next = f;
    h.ready_last = f;
  }
}

namespace {

// Asks the poller. What it reports is told afterwards.
void collect(hub& h, std::uint64_t timeout) noexcept {
  if (timeout != 0) {
    h.sleeping.store_seq_cst(1);
    if (!h.inbox.empty()) timeout = 0;
    ++h.stats.blocked_polls;
  }
  ++h.stats.polls;
  if (h.traced) [[unlikely]]
    trace::turn(h, timeout);
  const std::uint64_t switches = h.audit == nullptr ? 0 : sys::usage_of_thread().voluntary_switches;
  h.reports = h.poll->wait(timeout);
  h.reports_told = 0;
  if (h.audit != nullptr) [[unlikely]]
    h.stats.poll_switches += sys::usage_of_thread().voluntary_switches - switches;
  h.sleeping.store_relaxed(0);
  if (h.traced) [[unlikely]]
    trace::polled(h, h.reports);
  h.stats.io_events += static_cast<std::uint64_t>(h.reports);
}

// Goes on with what the poller reported some turns ago.
void go_on_telling(hub& h) noexcept {
  if (h.traced) [[unlikely]] {
    trace::turn(h, 0);
    trace::polled(h, 0);
  }
  tell_reports(h);
}

}  // namespace

void turn(hub& h, std::uint64_t timeout) noexcept {
  const bool left = h.reports_told != h.reports;
  if (left) go_on_telling(h);
  // What was left may have been nobody's business any more: those who want to know that nothing is to come need a look at the world.
  if (!left || h.ready_first == nullptr) {
    collect(h, left ? 0 : timeout);
    tell_reports(h);
  }
  h.last_poll = sys::cycles();
  if (!h.inbox.quick_empty()) take_remote(h);
  if (!h.timers.empty()) {
    const nanos now = h.virtual_time ? h.virtual_now : sys::monotonic_ns();
    h.cached_now = now;
    h.stats.timers_fired += h.timers.expire(now);
  } else {
    h.cached_now = h.virtual_time ? h.virtual_now : sys::clock_ns(CLOCK_MONOTONIC_COARSE);
  }
  if (h.traced) [[unlikely]]
    trace::turned(h);
}

fiber_base* next_ready(hub& h) noexcept {
  if (h.idler != nullptr && h.block->current != h.idler) [[unlikely]] {
    const bool look = h.ready_first == nullptr || sys::cycles() - h.last_poll >= cycles_between_looks;
    return look ? h.idler : pop_ready(h);
  }
  if (h.ready_first != nullptr) {
    if (sys::cycles() - h.last_poll >= cycles_between_looks) turn(h, 0);
    return pop_ready(h);
  }
  nanos stuck_since = 0;
  for (;;) {
    if (!h.quiet.empty()) [[unlikely]] {
      turn(h, 0);
      if (h.ready_first == nullptr) h.quiet.notify_all();
      return pop_ready(h);
    }
    nanos timeout = never;
    nanos jump = 0;
    bool stuck = false;
    if (!h.timers.empty()) {
      const nanos at = h.timers.next_deadline();
      if (h.virtual_time) {
        // Jump only when nothing outside could still come: look once, and wait for real while somebody outside has work of ours.
        timeout = h.external.load_relaxed() != 0 ? never : 0;
        jump = at;
      } else {
        const nanos now = sys::monotonic_ns();
        timeout = at > now ? at - now : 0;
        if (timeout != 0) timeout += slack_for(h.timers.front_size());
      }
    } else if (h.fd_waiters == 0) {
      timeout = stuck_wait(h);
      if (h.ready_first != nullptr) return pop_ready(h);
      stuck = timeout == stuck_grace;
    }
    if (!stuck)
      stuck_since = 0;
    else if (stuck_since == 0)
      stuck_since = sys::monotonic_ns();
    if (timeout != 0 && !h.virtual_time) trim_stacks(h, timeout);
    turn(h, timeout);
    if (h.ready_first != nullptr) return pop_ready(h);
    if (jump != 0 && timeout == 0) {
      if (jump > h.virtual_now) h.virtual_now = jump;
      h.stats.timers_fired += h.timers.expire(h.virtual_now);
      if (h.ready_first != nullptr) return pop_ready(h);
    }
    if (stuck && sys::monotonic_ns() - stuck_since >= stuck_grace && !h.idle_reported) {
      h.idle_reported = true;
      on_stuck(h, false);
    }
  }
}

}  // namespace weft::core

namespace weft::detail {

nanos now(hub& h) noexcept { return h.virtual_time ? h.virtual_now : sys::monotonic_ns(); }

void timer_arm(hub& h, timer_node& t, nanos deadline) noexcept { h.timers.arm(t, deadline); }

void timer_disarm(hub& h, timer_node& t) noexcept { h.timers.disarm(t); }

}  // namespace weft::detail
