// Parking on a futex.
#include "io/futex.hpp"

#include <cerrno>
#include <linux/futex.h>

#include "core/trace.hpp"
#include "io/offload.hpp"
#include "sys/clock.hpp"

namespace weft::io::futex {
namespace {

// The hub's deadline for a limit on any clock: by what is left there now.
nanos deadline_of(hub& h, const time_limit& limit) noexcept {
  if (limit.end == never || limit.clock == time_limit::hub_clock) return limit.end;
  if (limit.clock == CLOCK_MONOTONIC && !h.virtual_time) return limit.end;
  const nanos there = sys::clock_ns(limit.clock), here = detail::now(h);
  const nanos left = limit.end > there ? limit.end - there : 0;
  return left < never - here ? here + left : never;
}

// A clock that can be set may have been.
bool reached(hub& h, const time_limit& limit) noexcept {
  return limit.clock != CLOCK_REALTIME || h.virtual_time || sys::clock_ns(limit.clock) >= limit.end;
}

bool any_arrived(node* const* nodes, unsigned count) noexcept {
  for (unsigned i = 0; i < count; ++i)
    if (nodes[i]->arrived) return true;
  return false;
}

}  // namespace

bool may_park(hub& h) noexcept {
  return !core::parking_impossible(h);
}

wake park(hub& h, node* const* nodes, unsigned count, time_limit limit, signals s) noexcept {
  for (;;) {
    detail::waiter w("futex");
    w.uncancellable = true;
    w.uninterruptible = s == signals::wait;
    for (unsigned i = 0; i < count; ++i) nodes[i]->target = &w;
    if (any_arrived(nodes, count)) return wake::ready;
    ++h.futex_waiters;
    core::trace::about(h, core::trace::about_futex, nodes[0]->at.address);
    const wake why = detail::park(h, w, deadline_of(h, limit));
    --h.futex_waiters;
    if (any_arrived(nodes, count)) return wake::ready;
    if (why != wake::timeout || reached(h, limit)) return why;
  }
}

bool leave(hub& h, node& n) noexcept {
  if (withdraw(n)) return false;
  node* one[] = {&n};
  while (!n.arrived) park(h, one, 1, {}, signals::wait);
  return true;
}

long wait(hub& h, key k, std::uint32_t expected, std::uint32_t bitset, time_limit limit) noexcept {
  if (bitset == 0 || k.address % 4 != 0) return -EINVAL;
  if (!may_park(h)) return ended_by(wake::impossible);
  node n(h, k, bitset);
  link_result linked;
  {
    const inside guard(&h);
    linked = link_if_equal(n, expected);
  }
  switch (linked) {
    case link_result::fault: return -EFAULT;
    case link_result::different: return -EAGAIN;
    case link_result::busy: return ended_by(wake::impossible);
    case link_result::linked: break;
  }
  node* one[] = {&n};
  const wake why = park(h, one, 1, limit, signals::end_it);
  if (why == wake::ready || leave(h, n)) return 0;
  return ended_wait(why, limit);
}

long ended_wait(wake why, const time_limit& limit) noexcept {
  if (why == wake::timeout) return -ETIMEDOUT;
  return limit.end == never ? ended_by(why) : never_again(ended_by(why));
}

long wait_shared(hub& h, std::uint64_t address, std::uint32_t expected, std::uint32_t bitset, time_limit limit) noexcept {
  for (;;) {
    offload_call call = call_of(SYS_futex, address, FUTEX_WAIT_BITSET, expected, nullptr, nullptr, bitset);
    call.uncancellable = true;
    const long got = offload(h, call, deadline_of(h, limit), "futex", offload_kind::waits);
    if (!is_ended(got)) return got;
    if (got != timed_out) return ended_wait(why_ended(got), limit);
    if (reached(h, limit)) return -ETIMEDOUT;
  }
}

}  // namespace weft::io::futex
