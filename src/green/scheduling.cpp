// Policies and priorities of green threads: checked as the kernel would, kept, and reported back. What they say about when and
// where a thread runs has no effect: all green threads run on their carrier, which keeps what it had when the first one was made.
#include <cerrno>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>

#include "green/caller.hpp"
#include "green/rows.hpp"
#include "io/frame_words.hpp"
#include "io/user_memory.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

using io::number;
using io::pointer;

// ---- what the caller may do

bool is_privileged() noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  return sys::raw(SYS_capget, &header, &data[0]) == 0 && (data[0].effective & CAP_TO_MASK(CAP_SYS_NICE)) != 0;
}

std::uint64_t limit(int which) noexcept {
  rlimit l{};
  return sys::raw(SYS_prlimit64, 0, which, nullptr, &l) == 0 ? l.rlim_cur : 0;
}

// ---- what a thread has: its own, or its carrier's

int nice_of(const thread& t) noexcept {
  return more(t).is.niced ? more(t).is.nice : 20 - static_cast<int>(sys::raw(SYS_getpriority, PRIO_PROCESS, 0));
}

struct policy_of {
  int policy, priority;
};
policy_of policy_now(const thread& t) noexcept {
  if (more(t).is.scheduled) return {more(t).is.policy, more(t).is.priority};
  sched_param p{};
  const int policy = static_cast<int>(sys::raw(SYS_sched_getscheduler, 0));
  sys::raw(SYS_sched_getparam, 0, &p);
  return {policy & ~SCHED_RESET_ON_FORK, p.sched_priority};
}

bool may_be_nice(int nice) noexcept { return static_cast<std::uint64_t>(20 - nice) <= limit(RLIMIT_NICE) || is_privileged(); }

// ---- sched_setscheduler and its kin

constexpr bool real_time(int policy) noexcept { return policy == SCHED_FIFO || policy == SCHED_RR; }
constexpr bool known(int policy) noexcept {
  return policy == SCHED_OTHER || real_time(policy) || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

// As __sched_setscheduler and user_check_sched_setscheduler (kernel/sched/syscalls.c).
long schedule(thread& t, int policy, int priority, bool reset) noexcept {
  if (!known(policy)) return -EINVAL;
  if (priority < 0 || priority > 99 || real_time(policy) != (priority != 0)) return -EINVAL;
  const policy_of now = policy_now(t);
  if (!is_privileged()) {
    if (real_time(policy)) {
      const std::uint64_t most = limit(RLIMIT_RTPRIO);
      if (policy != now.policy && most == 0) return -EPERM;
      if (priority > now.priority && static_cast<std::uint64_t>(priority) > most) return -EPERM;
    }
    if (now.policy == SCHED_IDLE && policy != SCHED_IDLE && !may_be_nice(nice_of(t))) return -EPERM;
    if (more(t).is.reset_on_fork && !reset) return -EPERM;
  }
  if (make_more(t) == nullptr) return -ENOMEM;
  attributes& is = t.rare->is;
  is.scheduled = true;
  is.policy = static_cast<std::int8_t>(policy);
  is.priority = priority;
  is.reset_on_fork = reset;
  return 0;
}

bool take_priority(long address, int& priority, long& error) noexcept {
  std::uint64_t word = 0;  // sched_param is one int
  if (address == 0) {
    error = -EINVAL;
    return false;
  }
  if (!io::readable(pointer<void>(address & ~7L), 8)) {
    error = -EFAULT;
    return false;
  }
  sys::copy(&word, pointer<void>(address), sizeof priority);
  priority = static_cast<int>(word);
  return true;
}

door_answer on_setscheduler(door_frame* f, long nr) noexcept {
  const named_thread n = named(number(f->rdi));
  if (n.who == nullptr && !n.dead) return below(f, nr);
  const bool keep = nr == SYS_sched_setparam;
  const long wanted = keep ? 0 : f->rsi;
  int priority = 0;
  long error = 0;
  if (!keep && number(wanted) < 0) return answer(-EINVAL);
  if (!take_priority(keep ? f->rsi : f->rdx, priority, error)) return answer(error);
  if (n.dead) return answer(-ESRCH);
  if (keep) return answer(schedule(*n.who, policy_now(*n.who).policy, priority, more(*n.who).is.reset_on_fork));
  return answer(schedule(*n.who, number(wanted) & ~SCHED_RESET_ON_FORK, priority, (wanted & SCHED_RESET_ON_FORK) != 0));
}

door_answer on_getscheduler(door_frame* f, long nr) noexcept {
  const named_thread n = named(number(f->rdi));
  if (n.dead) return answer(-ESRCH);
  if (n.who == nullptr || !more(*n.who).is.scheduled) return n.who == nullptr ? below(f, nr) : answer(sys::raw(nr, 0));
  return answer(more(*n.who).is.policy | (more(*n.who).is.reset_on_fork ? SCHED_RESET_ON_FORK : 0));
}

door_answer on_getparam(door_frame* f, long nr) noexcept {
  const named_thread n = named(number(f->rdi));
  if (n.dead) return answer(f->rsi == 0 ? -EINVAL : -ESRCH);
  if (n.who == nullptr) return below(f, nr);
  // The kernel looks at the pointer; what it wrote is replaced.
  const long got = sys::raw(nr, 0, f->rsi);
  if (got == 0 && more(*n.who).is.scheduled) sys::copy(pointer<void>(f->rsi), &more(*n.who).is.priority, sizeof(int));
  return answer(got);
}

// The fields that every version of it has.
struct attributes_v0 {
  std::uint32_t size, policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime, deadline, period;
};
static_assert(sizeof(attributes_v0) == 48);

door_answer on_setattr(door_frame* f, long nr) noexcept {
  const named_thread n = named(number(f->rdi));
  if (n.who == nullptr && !n.dead) return below(f, nr);
  constexpr std::uint64_t reset = 1, keep_policy = 8, keep_parameters = 16, known_flags = 0x7f, clamp_flags = 0x60;
  if (f->rsi == 0 || static_cast<unsigned>(f->rdx) != 0) return answer(-EINVAL);
  attributes_v0 a;
  if (!io::copy_in(&a, pointer<void>(f->rsi), sizeof a)) return answer(-EFAULT);
  if ((a.size != 0 && a.size < sizeof a) || a.size > sys::page_size) return answer(-E2BIG);
  if (static_cast<std::int32_t>(a.policy) < 0 || (a.flags & ~known_flags) != 0) return answer(-EINVAL);
  if (n.dead) return answer(-ESRCH);
  if ((a.flags & clamp_flags) != 0) return answer(-EOPNOTSUPP);
  thread& t = *n.who;
  const policy_of now = policy_now(t);
  const int policy = (a.flags & keep_policy) != 0 ? now.policy : static_cast<int>(a.policy);
  const int priority = (a.flags & keep_parameters) != 0 ? now.priority : static_cast<int>(a.priority);
  const bool fair = policy == SCHED_OTHER || policy == SCHED_BATCH;
  const int nice = a.nice < -20 ? -20 : a.nice > 19 ? 19 : a.nice;
  const bool renice = fair && (a.flags & keep_parameters) == 0 && nice != nice_of(t);
  if (renice && nice < nice_of(t) && !may_be_nice(nice)) return answer(-EPERM);
  if (policy == SCHED_DEADLINE) return answer(is_privileged() ? -EBUSY : -EPERM);
  const long error = schedule(t, policy, priority, (a.flags & reset) != 0);
  if (error == 0 && renice) {
    t.rare->is.niced = true;
    t.rare->is.nice = static_cast<std::int8_t>(nice);
  }
  return answer(error);
}

door_answer on_getattr(door_frame* f, long nr) noexcept {
  const named_thread n = named(number(f->rdi));
  if (n.dead) return answer(-ESRCH);
  if (n.who == nullptr) return below(f, nr);
  const long got = sys::raw(nr, 0, f->rsi, f->rdx, f->r10);
  if (got != 0) return answer(got);
  auto* a = pointer<attributes_v0>(f->rsi);
  const attributes& is = more(*n.who).is;
  if (is.scheduled) {
    a->policy = static_cast<std::uint32_t>(is.policy);
    a->flags = is.reset_on_fork ? 1 : 0;
    a->priority = static_cast<std::uint32_t>(is.priority);
  }
  if (!real_time(static_cast<int>(a->policy))) a->nice = nice_of(*n.who);
  return answer(0);
}

door_answer on_interval(door_frame* f, long nr) noexcept {
  const named_thread n = named(number(f->rdi));
  if (n.dead) return answer(-ESRCH);
  if (n.who == nullptr) return below(f, nr);
  const long got = sys::raw(nr, 0, f->rsi);
  if (got == 0 && more(*n.who).is.scheduled && real_time(more(*n.who).is.policy)) {
    constexpr long round_robin_ns = 100'000'000;
    const timespec slice{0, more(*n.who).is.policy == SCHED_RR ? round_robin_ns : 0};
    sys::copy(pointer<void>(f->rsi), &slice, sizeof slice);
  }
  return answer(got);
}

// ---- getpriority and setpriority of one thread

door_answer on_getpriority(door_frame* f, long nr) noexcept {
  const named_thread n = f->rdi == PRIO_PROCESS ? named(number(f->rsi)) : named_thread{};
  if (n.dead) return answer(-ESRCH);
  return n.who == nullptr ? below(f, nr) : answer(20 - nice_of(*n.who));
}

door_answer on_setpriority(door_frame* f, long nr) noexcept {
  const named_thread n = f->rdi == PRIO_PROCESS ? named(number(f->rsi)) : named_thread{};
  if (n.dead) return answer(-ESRCH);
  if (n.who == nullptr) return below(f, nr);
  const int wanted = number(f->rdx), nice = wanted < -20 ? -20 : wanted > 19 ? 19 : wanted;
  if (nice < nice_of(*n.who) && !may_be_nice(nice)) return answer(-EACCES);
  if (make_more(*n.who) == nullptr) return answer(-ENOMEM);
  n.who->rare->is.niced = true;
  n.who->rare->is.nice = static_cast<std::int8_t>(nice);
  return answer(0);
}

door_answer on_ioprio_get(door_frame* f, long nr) noexcept {
  const named_thread n = f->rdi == IOPRIO_WHO_PROCESS ? named(number(f->rsi)) : named_thread{};
  if (n.dead) return answer(-ESRCH);
  if (n.who == nullptr) return below(f, nr);
  return answer(more(*n.who).is.io_prioritized ? more(*n.who).is.io_priority : sys::raw(nr, IOPRIO_WHO_PROCESS, 0));
}

door_answer on_ioprio_set(door_frame* f, long nr) noexcept {
  const named_thread n = f->rdi == IOPRIO_WHO_PROCESS ? named(number(f->rsi)) : named_thread{};
  if (n.who == nullptr && !n.dead) return below(f, nr);
  const int wanted = number(f->rdx), kind = wanted >> IOPRIO_CLASS_SHIFT, level = wanted & 7;
  if (kind == IOPRIO_CLASS_RT && !is_privileged()) return answer(-EPERM);
  if (kind < IOPRIO_CLASS_NONE || kind > IOPRIO_CLASS_IDLE || (kind == IOPRIO_CLASS_NONE && level != 0)) return answer(-EINVAL);
  if (n.dead) return answer(-ESRCH);
  if (make_more(*n.who) == nullptr) return answer(-ENOMEM);
  n.who->rare->is.io_prioritized = true;
  n.who->rare->is.io_priority = wanted;
  return answer(0);
}

constexpr green_entry rows[] = {
    {SYS_sched_setscheduler, on_setscheduler}, {SYS_sched_setparam, on_setscheduler}, {SYS_sched_getscheduler, on_getscheduler},
    {SYS_sched_getparam, on_getparam},         {SYS_sched_setattr, on_setattr},       {SYS_sched_getattr, on_getattr},
    {SYS_sched_rr_get_interval, on_interval},  {SYS_getpriority, on_getpriority},     {SYS_setpriority, on_setpriority},
    {SYS_ioprio_get, on_ioprio_get},           {SYS_ioprio_set, on_ioprio_set},
};

}  // namespace

green_rows scheduling_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
