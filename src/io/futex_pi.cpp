// Priority-inheriting locks. The kernel knows threads only: to it a lock that a parked sibling holds is this thread's own (EDEADLK), and
// waiting for another thread's would stop the hub. So a fiber never waits in the kernel here. Priorities are not inherited by fibers.
#include "io/futex.hpp"

#include <cerrno>
#include <linux/futex.h>

#include "core/hub.hpp"
#include "io/wait_fd.hpp"
#include "sys/clock.hpp"
#include "sys/syscall.hpp"

namespace weft::io::futex {
namespace {

// Waits for a lock that is held, by a sibling (`inherited`) or by another thread. 0: try again; 1: it was handed over; else -errno or
// ended.
long wait_for_owner(hub& h, std::uint64_t address, std::uint32_t tid, bool inherited, time_limit limit,
                    growing_nap& pause) noexcept {
  node n(h, {address, inherited ? kind::inherited : kind::foreign}, FUTEX_BITSET_MATCH_ANY);
  link_result linked;
  {
    const inside guard(&h);
    linked = link_if_owned(n, tid, inherited);
  }
  if (linked == link_result::fault) return -EFAULT;
  if (linked == link_result::busy) return ended_by(wake::impossible);
  if (linked == link_result::different) return 0;
  time_limit patience = limit;
  if (!inherited) {
    // An unlock that no rewritten site makes is not seen here.
    const nanos look = detail::now(h) + pause.next();
    if (limit.clock != time_limit::hub_clock || look < limit.end) patience = {look, time_limit::hub_clock};
  }
  node* one[] = {&n};
  const wake why = park(h, one, 1, patience, signals::wait);
  if (why == wake::ready || leave(h, n)) return inherited ? 1 : 0;
  if (why != wake::timeout) return ended_by(why);
  return inherited || patience.end == limit.end ? -ETIMEDOUT : 0;
}

}  // namespace

long lock_pi(hub& h, std::uint64_t address, int shared, time_limit limit) noexcept {
  if (!may_park(h)) return ended_by(wake::impossible);
  const auto tid = static_cast<std::uint32_t>(sys::raw(SYS_gettid));
  if (limit.end != never && limit.clock != time_limit::hub_clock) {
    const nanos there = sys::clock_ns(limit.clock);
    limit = {detail::now(h) + (limit.end > there ? limit.end - there : 0), time_limit::hub_clock};
  }
  growing_nap pause;
  for (;;) {
    const long got = sys::raw(SYS_futex, address, FUTEX_TRYLOCK_PI | shared, 0, nullptr, nullptr, 0);
    if (got != -EDEADLK && got != -EAGAIN) return got;
    const long waited = wait_for_owner(h, address, tid, got == -EDEADLK, limit, pause);
    if (waited != 0) return waited == 1 ? 0 : waited;
  }
}

long unlock_pi(hub* own, std::uint64_t address, int shared) noexcept {
  const inside guard(own);
  taken_list list;
  if (own != nullptr) {
    take({address, kind::inherited}, 1, FUTEX_BITSET_MATCH_ANY, list);
    // The word keeps this thread's id, and the mark that somebody waits.
    if (list.count != 0) {
      tell(own, list);
      return 0;
    }
  }
  const long got = sys::raw(SYS_futex, address, FUTEX_UNLOCK_PI | shared, 0, nullptr, nullptr, 0);
  if (got == 0) {
    take({address, kind::foreign}, 1, FUTEX_BITSET_MATCH_ANY, list);
    tell(own, list);
  }
  return got;
}

}  // namespace weft::io::futex
