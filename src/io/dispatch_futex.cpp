// The rewritten sites' futex calls. Wakes are looked at on every thread: whoever wakes, parked fibers are among the waiters.
#include <cerrno>
#include <linux/futex.h>
#include <sys/mman.h>

#include "core/due.hpp"
#include "io/dispatch.hpp"
#include "io/door.hpp"
#include "io/durations.hpp"
#include "io/futex.hpp"
#include "io/offload.hpp"
#include "io/user_memory.hpp"
#include "io/user_word.hpp"
#include "sys/clock.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

using futex::key;
using futex::kind;
using futex::time_limit;

constexpr int lock_pi2 = 13;  // since Linux 5.14

struct call {
  std::uint64_t address, second;
  int command;
  bool own;  // private to the process
  bool realtime;
  std::uint32_t value, value3;
  long timeout;  // or a number
};

call call_of(const door_frame* f) noexcept {
  const int op = static_cast<int>(f->rsi);
  return {static_cast<std::uint64_t>(f->rdi), static_cast<std::uint64_t>(f->r8), op & FUTEX_CMD_MASK, (op & FUTEX_PRIVATE_FLAG) != 0,
          (op & FUTEX_CLOCK_REALTIME) != 0, static_cast<std::uint32_t>(f->rdx), static_cast<std::uint32_t>(f->r9), f->r10};
}

// 0 or -errno.
long take_limit(hub& h, long timeout, bool relative, int clock, time_limit& limit) noexcept {
  if (timeout == 0) return 0;
  timespec t;
  if (!copy_in(&t, reinterpret_cast<const void*>(timeout), sizeof t)) return -EFAULT;
  if (!valid(t)) return -EINVAL;
  limit = relative ? time_limit{deadline_in(h, length_of(t)), time_limit::hub_clock} : time_limit{length_of(t), clock};
  return 0;
}

// A lock that libc takes inside itself, for moments: another OS thread has it, in malloc most likely. It is given a little time, since a
// park in malloc would surprise those who call it: OpenSSL seeds a thread_local generator between two calls of malloc, and a sibling
// fiber would find it half made. What is held longer parks as everything does: its holder may be a parked fiber.
bool soon_free(const call& c) noexcept {
  constexpr std::uint32_t locked_and_waited_for = 2;
  constexpr std::uint64_t heap_bytes = 64 << 20, arena_at_most = 256;  // the arenas of other threads begin heaps aligned so
  constexpr nanos patience = 5'000'000;
  const bool of_libc = c.address >= futex::libc_data.begin && c.address < futex::libc_data.end;
  if ((!of_libc && c.address % heap_bytes >= arena_at_most) || c.value != locked_and_waited_for || c.timeout != 0 || !c.own) return false;
  const nanos until = sys::monotonic_ns() + patience;
  do {
    sys::raw(SYS_sched_yield);
    std::uint32_t now;
    if (!load_word(reinterpret_cast<const void*>(c.address), now)) return false;
    if (now != c.value) return true;
  } while (sys::monotonic_ns() < until);
  return false;
}

door_answer on_wait(const door_frame* f, const call& c, bool bitset) noexcept {
  if (c.realtime && !bitset) return pass_on;
  return cooperate(f, [&](hub& h) {
    if (!bitset && !h.threads && soon_free(c)) return long{-EAGAIN};
    time_limit limit;
    const int clock = c.realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    if (const long error = take_limit(h, c.timeout, !bitset, clock, limit); error != 0) return error;
    const std::uint32_t bits = bitset ? c.value3 : FUTEX_BITSET_MATCH_ANY;
    if (!c.own && futex::woken_by_threads != nullptr && futex::woken_by_threads(c.address, c.value))
      return futex::wait(h, {c.address, kind::local}, c.value, bits, limit);
    return c.own ? futex::wait(h, {c.address, kind::own}, c.value, bits, limit)
                 : futex::wait_shared(h, c.address, c.value, bits, limit);
  });
}

door_answer on_wake(const call& c, int op, bool bitset) noexcept {
  const key k{c.address, c.own ? kind::own : kind::local};
  if (c.realtime) return pass_on;
  if (futex::nobody_waits(k)) {
    // Where no thread can wait in the kernel there is nobody to wake. The kernel does not look at the word either.
    constexpr std::uint64_t end_of_user_space = std::uint64_t{1} << 47;
    const bool valid = c.address % 4 == 0 && c.address < end_of_user_space && (!bitset || c.value3 != 0);
    return futex::kernel_may_wait || !c.own || !valid ? pass_on : door_answer{0, 0};
  }
  hub* h = hub_at_rest();
  const long woken = futex::wake_up(h, k, op, static_cast<int>(c.value), bitset ? c.value3 : FUTEX_BITSET_MATCH_ANY);
  if (woken > 0 && h != nullptr && h->threads) core::woke_others();
  return {woken, 0};
}

door_answer on_requeue(const call& c, bool compare) noexcept {
  const auto move_most = static_cast<int>(c.timeout), wake_most = static_cast<int>(c.value);
  if (c.realtime || wake_most < 0 || move_most < 0 || (c.address | c.second) % 4 != 0) return pass_on;
  const kind what = c.own ? kind::own : kind::local;
  long answer = 0;
  return futex::requeue(hub_at_rest(), {c.address, what}, {c.second, what}, wake_most, move_most, compare ? &c.value3 : nullptr, answer)
             ? door_answer{answer, 0}
             : pass_on;
}

door_answer on_wake_op(const call& c) noexcept {
  if (c.realtime || (c.address | c.second) % 4 != 0 || !futex::ever_used()) return pass_on;
  const kind what = c.own ? kind::own : kind::local;
  return {futex::wake_op(hub_at_rest(), {c.address, what}, {c.second, what}, static_cast<int>(c.value),
                         static_cast<int>(c.timeout), c.value3),
          0};
}

door_answer on_lock_pi(const door_frame* f, const call& c, int clock) noexcept {
  return cooperate(f, [&](hub& h) {
    time_limit limit;
    if (const long error = take_limit(h, c.timeout, false, clock, limit); error != 0) return error;
    return futex::lock_pi(h, c.address, c.own ? FUTEX_PRIVATE_FLAG : 0, limit);
  });
}

door_answer on_trylock_pi(const door_frame* f, const call& c) noexcept {
  return cooperate(f, [&](hub&) {
    const long got = sys::raw(SYS_futex, c.address, FUTEX_TRYLOCK_PI | (c.own ? FUTEX_PRIVATE_FLAG : 0), 0, nullptr, nullptr, 0);
    // A sibling holds it under this thread's id: locked by somebody else, then.
    return got == -EDEADLK ? long{-EAGAIN} : got;
  });
}

door_answer on_unlock_pi(const call& c) noexcept {
  if (futex::nobody_waits({c.address, kind::inherited})) return pass_on;
  return {futex::unlock_pi(hub_at_rest(), c.address, c.own ? FUTEX_PRIVATE_FLAG : 0), 0};
}

door_answer on_futex(door_frame* f, long) noexcept {
  const call c = call_of(f);
  switch (c.command) {
    case FUTEX_WAIT: return on_wait(f, c, false);
    case FUTEX_WAIT_BITSET: return on_wait(f, c, true);
    case FUTEX_WAKE: return on_wake(c, static_cast<int>(f->rsi), false);
    case FUTEX_WAKE_BITSET: return on_wake(c, static_cast<int>(f->rsi), true);
    case FUTEX_REQUEUE: return on_requeue(c, false);
    case FUTEX_CMP_REQUEUE: return on_requeue(c, true);
    case FUTEX_WAKE_OP: return on_wake_op(c);
    default: break;
  }
  if (door_answer a; futex::pi_of_threads != nullptr && futex::pi_of_threads(f, c.command, a)) return a;
  switch (c.command) {
    case FUTEX_LOCK_PI: return c.realtime ? pass_on : on_lock_pi(f, c, CLOCK_REALTIME);
    case lock_pi2: return on_lock_pi(f, c, c.realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC);
    case FUTEX_TRYLOCK_PI: return on_trylock_pi(f, c);
    case FUTEX_UNLOCK_PI: return on_unlock_pi(c);
    default: return pass_on;
  }
}

// Valid for the kernel, and private all of them: what is parked on. Else the kernel answers.
bool all_private(const futex_waitv* vector, unsigned count) noexcept {
  constexpr std::uint32_t size_u32 = 2;
  for (unsigned i = 0; i < count; ++i)
    if (vector[i].flags != (size_u32 | FUTEX_PRIVATE_FLAG) || vector[i].__reserved != 0 || vector[i].uaddr % 4 != 0) return false;
  return true;
}

door_answer on_waitv(door_frame* f, long) noexcept {
  const auto count = static_cast<unsigned>(f->rsi);
  const int clock = static_cast<int>(f->r8);
  if (company() == nullptr || count == 0 || count > FUTEX_WAITV_MAX || static_cast<unsigned>(f->rdx) != 0) return pass_on;
  if (f->r10 != 0 && clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME) return pass_on;
  futex_waitv vector[FUTEX_WAITV_MAX];
  if (!copy_in(&vector[0], reinterpret_cast<const void*>(f->rdi), count * sizeof *vector)) return pass_on;
  if (!all_private(vector, count)) {
    // The kernel's wakes, and every wake of this process that finds nobody in the table, reach a wait of the kernel's.
    futex::kernel_may_wait = true;
    const offload_call whole = io::call_of(SYS_futex_waitv, f->rdi, f->rsi, f->rdx, f->r10, f->r8);
    return cooperate(f, [&whole](hub& h) { return offload(h, whole, never, "futex", offload_kind::waits); });
  }
  return cooperate(f, [&](hub& h) {
    time_limit limit;
    if (const long error = take_limit(h, f->r10, false, clock, limit); error != 0) return error;
    return futex::wait_vector(h, vector, count, limit);
  });
}

// futex_wake, futex_wait and futex_requeue(2), since Linux 6.7: the same queues in the kernel, hence the same here. libc has no names yet.
enum futex2 : long { nr_wake = 454, nr_wait = 455, nr_requeue = 456 };

// Where the kernel has none of them, a program must go on hearing so.
bool kernel_has_futex2() noexcept {
  static int known = 0;  // 1: yes, 2: no
  int now = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (now == 0) {
    std::uint32_t nobody = 0;
    constexpr std::uint32_t flags = 2 | FUTEX_PRIVATE_FLAG;
    now = sys::raw(nr_wake, &nobody, 1, 0, flags) == -ENOSYS ? 2 : 1;
    __atomic_store_n(&known, now, __ATOMIC_RELAXED);
  }
  return now == 1;
}

// Words of 32 bits with 32 bits' values are what waits by either interface; on anything else the kernel decides.
bool is_plain(std::uint64_t flags, std::uint64_t address, std::uint64_t value, std::uint64_t mask) noexcept {
  constexpr std::uint32_t size_u32 = 2;
  return (static_cast<std::uint32_t>(flags) & ~std::uint32_t{FUTEX_PRIVATE_FLAG}) == size_u32 && address % 4 == 0 && value >> 32 == 0 &&
         mask >> 32 == 0 && mask != 0 && kernel_has_futex2();
}

door_answer on_wake2(door_frame* f, long) noexcept {
  const auto most = static_cast<int>(f->rdx);
  if (most <= 0 || !is_plain(f->r10, f->rdi, 0, f->rsi)) return pass_on;
  const int shared = static_cast<int>(f->r10) & FUTEX_PRIVATE_FLAG;
  const call c{static_cast<std::uint64_t>(f->rdi), 0, FUTEX_WAKE_BITSET, shared != 0, false, static_cast<std::uint32_t>(most),
               static_cast<std::uint32_t>(f->rsi), 0};
  return on_wake(c, FUTEX_WAKE_BITSET | shared, true);
}

// The time limit is a point of the given clock, as FUTEX_WAIT_BITSET's is.
door_answer on_wait2(door_frame* f, long) noexcept {
  const int clock = static_cast<int>(f->r9);
  if (!is_plain(f->r10, f->rdi, f->rsi, f->rdx) || (f->r8 != 0 && clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)) return pass_on;
  const call c{static_cast<std::uint64_t>(f->rdi), 0, FUTEX_WAIT_BITSET, (f->r10 & FUTEX_PRIVATE_FLAG) != 0, clock == CLOCK_REALTIME,
               static_cast<std::uint32_t>(f->rsi), static_cast<std::uint32_t>(f->rdx), f->r8};
  return on_wait(f, c, true);
}

door_answer on_requeue2(door_frame* f, long) noexcept {
  futex_waitv both[2];
  if (static_cast<std::uint32_t>(f->rsi) != 0 || !copy_in(&both[0], reinterpret_cast<const void*>(f->rdi), sizeof both)) return pass_on;
  for (const futex_waitv& one : both)
    if (one.__reserved != 0 || one.flags != both[0].flags || !is_plain(one.flags, one.uaddr, one.val, 1)) return pass_on;
  const call c{both[0].uaddr, both[1].uaddr, FUTEX_CMP_REQUEUE, (both[0].flags & FUTEX_PRIVATE_FLAG) != 0, false,
               static_cast<std::uint32_t>(f->rdx), static_cast<std::uint32_t>(both[0].val), static_cast<int>(f->r10)};
  return on_requeue(c, true);
}

door_answer on_mmap(door_frame* f, long) noexcept {
  if ((f->r10 & MAP_FIXED) != 0) forget_pages();
  return pass_on;
}

door_answer on_mapping(door_frame*, long) noexcept {
  forget_pages();
  return pass_on;
}

constexpr door_entry rows[] = {
    {SYS_futex, "futex", "futex", {on_futex}},
    {SYS_futex_waitv, "futex", "futex_waitv", {on_waitv}},
    {nr_wake, "futex", "futex_wake", {on_wake2}},
    {nr_wait, "futex", "futex_wait", {on_wait2}},
    {nr_requeue, "futex", "futex_requeue", {on_requeue2}},
    {SYS_munmap, "bookkeeping", "munmap", {on_mapping}},
    {SYS_mprotect, "bookkeeping", "mprotect", {on_mapping}},
    {SYS_pkey_mprotect, "bookkeeping", "pkey_mprotect", {on_mapping}},
    {SYS_mremap, "bookkeeping", "mremap", {on_mapping}},
    {SYS_mmap, "bookkeeping", "mmap", {on_mmap}},
    {SYS_shmdt, "bookkeeping", "shmdt", {on_mapping}},
};

}  // namespace

door_rows futex_rows() noexcept { return {rows, rows + sizeof rows / sizeof *rows}; }

}  // namespace weft::io
