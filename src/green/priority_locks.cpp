// The PI operations of futex(2) where green threads take part. To the kernel, every green thread is its carrier: so the word is
// written here, by the kernel's rules (owner's thread id, FUTEX_WAITERS, FUTEX_OWNER_DIED), and an unlock hands the lock to who has waited
// longest. Priorities are not inherited, there are none (scheduling.cpp).
//
// Words that other OS threads own are theirs and the kernel's: green threads try again whenever such a lock is unlocked, and from time to
// time; OS threads do the same with a lock that a green thread has. The leader's id is the kernel's, so what OS threads do with a lock of
// the leader's, the kernel knows.
#include <cerrno>
#include <ctime>
#include <linux/futex.h>

#include "green/caller.hpp"
#include "green/priority_locks.hpp"
#include "green/shared_memory.hpp"
#include "io/durations.hpp"
#include "io/futex.hpp"
#include "io/user_memory.hpp"
#include "io/user_word.hpp"
#include "io/wait_fd.hpp"
#include "sys/clock.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

namespace futex = io::futex;
using futex::kind;
using futex::time_limit;
using io::nanos;
using io::never;

constexpr int lock_pi2 = 13;  // since Linux 5.14

std::uint64_t address_of(const door_frame* f) noexcept { return static_cast<std::uint64_t>(f->rdi); }
void* memory(std::uint64_t address) noexcept { return reinterpret_cast<void*>(address); }

// Whether an id may be the owner's of a lock: a living green thread, or any thread that the kernel knows. In memory that processes share it
// may be a green thread of another one, of which nothing is known but that it will change the word, at its end at the latest.
enum class owner : std::uint8_t { green, foreign, none };
owner kind_of(std::uint64_t address, std::uint32_t tid) noexcept {
  if (find(tid) != nullptr) return owner::green;
  if (is_green_id(tid)) return may_be_shared(address) ? owner::foreign : owner::none;
  return sys::raw(SYS_tkill, tid, 0) == -ESRCH ? owner::none : owner::foreign;
}

// FUTEX_TRYLOCK_PI: 0, -EAGAIN with the word's value, -EDEADLK, -EFAULT.
long try_lock(const thread& t, std::uint64_t address, std::uint32_t& value) noexcept {
  if (address % 4 != 0) return -EINVAL;
  if (!io::load_word(memory(address), value)) return -EFAULT;
  for (;;) {
    const std::uint32_t tid = value & FUTEX_TID_MASK;
    if (tid != 0) return tid == t.tid ? -EDEADLK : -EAGAIN;
    bool swapped = false;
    if (!io::exchange_word(memory(address), value, t.tid | (value & (FUTEX_OWNER_DIED | FUTEX_WAITERS)), swapped)) return -EFAULT;
    if (swapped) return 0;
  }
}

// Waits behind the owner that `value` names. 0: try again; 1: the lock was handed over; else -errno or an ended code.
long wait_behind(hub& h, const thread& t, std::uint64_t address, std::uint32_t value, time_limit limit, io::growing_nap& pause) noexcept {
  const std::uint32_t tid = value & FUTEX_TID_MASK;
  const owner who = kind_of(address, tid);
  if (who == owner::none) return -ESRCH;
  const bool handed = who == owner::green;
  futex::node n(h, {address, handed ? kind::handed : kind::foreign}, handed ? t.tid : FUTEX_BITSET_MATCH_ANY);
  futex::link_result linked;
  {
    const futex::inside guard(&h);
    linked = futex::link_if_owned(n, tid, true);
  }
  if (linked == futex::link_result::fault) return -EFAULT;
  if (linked == futex::link_result::busy) return io::ended_by(io::wake::impossible);
  if (linked == futex::link_result::different) return 0;
  time_limit patience = limit;
  if (!handed) {
    const nanos look = detail::now(h) + pause.next();
    if (limit.clock != time_limit::hub_clock || look < limit.end) patience = {look, time_limit::hub_clock};
  }
  futex::node* one[] = {&n};
  const io::wake why = futex::park(h, one, 1, patience, futex::signals::wait);
  if (why == io::wake::ready || futex::leave(h, n)) return handed ? 1 : 0;
  if (why != io::wake::timeout) return io::ended_by(why);
  return handed || patience.end == limit.end ? -ETIMEDOUT : 0;
}

long lock(hub& h, const thread& t, std::uint64_t address, time_limit limit) noexcept {
  if (!futex::may_park(h)) return io::ended_by(io::wake::impossible);
  io::growing_nap pause;
  for (;;) {
    std::uint32_t value = 0;
    const long got = try_lock(t, address, value);
    if (got != -EAGAIN) return got;
    const long waited = wait_behind(h, t, address, value, limit, pause);
    if (waited != 0) return waited == 1 ? 0 : waited;
  }
}

long unlock(hub& h, const thread& t, std::uint64_t address, bool own) noexcept {
  if (address % 4 != 0) return -EINVAL;
  if (&t == &leader() && natives && futex::nobody_waits({address, kind::handed}))
    return sys::raw(SYS_futex, address, FUTEX_UNLOCK_PI | (own ? FUTEX_PRIVATE_FLAG : 0), 0, nullptr, nullptr, 0);
  const futex::inside guard(&h);
  futex::taken_list heir;
  const long got = futex::hand_over(address, t.tid, 0, heir);
  futex::tell(&h, heir);
  return got;
}

// The hub's deadline for the call's absolute time. 0 or -errno.
long take_limit(hub& h, const door_frame* f, int clock, time_limit& limit) noexcept {
  if (f->r10 == 0) return 0;
  timespec wanted;
  if (!io::copy_in(&wanted, reinterpret_cast<const void*>(f->r10), sizeof wanted)) return -EFAULT;
  if (!io::valid(wanted)) return -EINVAL;
  const nanos end = io::length_of(wanted), there = sys::clock_ns(clock);
  limit = {detail::now(h) + (end > there ? end - there : 0), time_limit::hub_clock};
  return 0;
}

// FUTEX_WAIT_REQUEUE_PI: a condition's wait, from which one comes back with the lock. Who is requeued here is woken, and asks for the
// lock itself.
long wait_then_lock(hub& h, const thread& t, const door_frame* f, bool own, int clock) noexcept {
  const auto first = address_of(f), second = static_cast<std::uint64_t>(f->r8);
  if (first == second || (first | second) % 4 != 0) return -EINVAL;
  time_limit limit;
  if (const long error = take_limit(h, f, clock, limit); error != 0) return error;
  const futex::key at{first, own ? kind::own : kind::local};
  const long got = futex::wait(h, at, static_cast<std::uint32_t>(f->rdx), FUTEX_BITSET_MATCH_ANY, limit);
  if (got == io::signalled || got == io::signalled_for_good) return -EAGAIN;
  return got != 0 ? got : lock(h, t, second, limit);
}

long requeue(hub& h, const door_frame* f, bool own) noexcept {
  const auto first = address_of(f), second = static_cast<std::uint64_t>(f->r8);
  if (static_cast<int>(f->rdx) != 1 || first == second || (first | second) % 4 != 0 || static_cast<int>(f->r10) < 0) return -EINVAL;
  std::uint32_t value = 0;
  if (!io::load_word(memory(first), value)) return -EFAULT;
  if (value != static_cast<std::uint32_t>(f->r9)) return -EAGAIN;
  const futex::inside guard(&h);
  futex::taken_list list;
  futex::take({first, own ? kind::own : kind::local}, 1 + static_cast<int>(f->r10), FUTEX_BITSET_MATCH_ANY, list);
  const int woken = list.count;
  futex::tell(&h, list);
  return woken;
}

// On an OS thread, and where nobody would run meanwhile: the kernel knows no owner of a green thread's id, and would say that it died.
door_answer lock_behind_green(const door_frame* f, int clock) noexcept {
  nanos end = never;
  if (timespec t; f->r10 != 0 && io::copy_in(&t, reinterpret_cast<const void*>(f->r10), sizeof t) && io::valid(t)) end = io::length_of(t);
  long pause = 20'000;
  for (std::uint32_t value = 0; io::load_word(memory(address_of(f)), value); pause = pause < 2'000'000 ? pause * 2 : pause) {
    const std::uint32_t tid = value & FUTEX_TID_MASK;
    if (!is_green_id(tid)) break;
    if (find(tid) == nullptr && !may_be_shared(address_of(f))) return answer(-ESRCH);
    if (end != never && sys::clock_ns(clock) >= end) return answer(-ETIMEDOUT);
    const timespec nap{0, pause};
    sys::raw(SYS_nanosleep, &nap, nullptr);
  }
  return answer(sys::raw(SYS_futex, f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9));
}

bool owned_by_green(std::uint64_t address) noexcept {
  std::uint32_t value = 0;
  return address % 4 == 0 && io::load_word(memory(address), value) && is_green_id(value & FUTEX_TID_MASK);
}

}  // namespace

bool pi_call(const door_frame* f, int command, door_answer& a) noexcept {
  const auto op = static_cast<int>(f->rsi);
  const bool own = (op & FUTEX_PRIVATE_FLAG) != 0, realtime = (op & FUTEX_CLOCK_REALTIME) != 0;
  const int clock = command == FUTEX_LOCK_PI || realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC;
  const std::uint64_t address = address_of(f);
  const bool locks = command == FUTEX_LOCK_PI || command == lock_pi2;
  thread* t = caller();
  if (locks && (t == nullptr || io::company() == nullptr) && owned_by_green(address)) {
    a = lock_behind_green(f, clock);
    return true;
  }
  if (t == nullptr) return false;
  switch (command) {
    case FUTEX_LOCK_PI:
    case lock_pi2:
      a = io::cooperate(f, [&](hub& h) {
        time_limit limit;
        const long error = take_limit(h, f, clock, limit);
        return error != 0 ? error : lock(h, *t, address, limit);
      });
      return true;
    case FUTEX_TRYLOCK_PI: {
      std::uint32_t value = 0;
      a = answer(try_lock(*t, address, value));
      return true;
    }
    case FUTEX_UNLOCK_PI: a = answer(unlock(*home, *t, address, own)); return true;
    case FUTEX_WAIT_REQUEUE_PI: a = io::cooperate(f, [&](hub& h) { return wait_then_lock(h, *t, f, own, clock); }); return true;
    case FUTEX_CMP_REQUEUE_PI: a = answer(requeue(*home, f, own)); return true;
    default: return false;
  }
}

}  // namespace weft::green
