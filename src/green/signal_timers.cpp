// Timers whose signal goes to one thread (SIGEV_THREAD_ID; timer_create's SIGEV_THREAD is made of it), and timers that count one thread's
// CPU time. The kernel sends to the carrier, by signal 33, which nothing of the program's blocks or handles there; the timer's id tells
// the rest.
//
// The kernel knows one CPU clock for all green threads, the carrier's, which never runs slower than one of theirs: a timer on that clock
// is set for what is missing on the thread's, and when it comes the thread's clock is looked at, and what is missing set again.
#include <cerrno>
#include <csignal>
#include <ctime>

#include "core/hub.hpp"
#include "green/clocks.hpp"
#include "green/signals.hpp"
#include "io/door.hpp"
#include "io/durations.hpp"
#include "io/user_memory.hpp"
#include "sys/clock.hpp"
#include "sys/free_list.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

struct timer {
  timer* next;
  int id;
  int number;               // the signal; 0: none
  std::uint32_t tid;        // whom it is for; 0: the process
  bool value_is_id;         // it came without a sigevent
  std::uint32_t clock;      // whose CPU time it counts; 0: a clock of the kernel's
  int overruns;             // of the last signal
  std::uint64_t due;        // on that clock; 0: not armed
  std::uint64_t interval;
};

constexpr unsigned buckets = 64;
timer* timers[buckets];
sys::free_list<timer, &timer::next> unused;

timer*& bucket(int id) noexcept { return timers[static_cast<unsigned>(id) % buckets]; }

timer* look_up(int id) noexcept {
  timer* t = bucket(id);
  while (t != nullptr && t->id != id) t = t->next;
  return t;
}

timer* take_entry() noexcept {
  timer* t = unused.take();
  if (t != nullptr) *t = {};
  return t;
}

void remove(int id) noexcept {
  for (timer** at = &bucket(id); *at != nullptr; at = &(*at)->next) {
    if ((*at)->id != id) continue;
    timer* t = *at;
    *at = t->next;
    unused.give(t);
    return;
  }
}

// struct sigevent as the kernel reads it.
struct kernel_event {
  std::uint64_t value;
  int number, notify, tid;
  int unused[11];
};
static_assert(sizeof(kernel_event) == 64);

// The id is four bytes; what stands behind it stays.
bool store_id(long user, int id) noexcept {
  std::uint64_t there = 0;
  if (!io::copy_in(&there, reinterpret_cast<const void*>(user & ~7L), sizeof there)) return false;
  const int shift = (user & 4) != 0 ? 32 : 0;
  there = (there & ~(std::uint64_t{0xffffffff} << shift)) | static_cast<std::uint64_t>(static_cast<std::uint32_t>(id)) << shift;
  return io::copy_out(reinterpret_cast<void*>(user & ~7L), &there, sizeof there);
}

door_answer on_timer_create(door_frame* f, long nr) noexcept {
  if (signal_caller() == nullptr) return below(f, nr);
  const named_thread counted = thread_of_clock(static_cast<int>(f->rdi));
  if (counted.dead) return answer(-EINVAL);
  const bool clocked = counted.who != nullptr, usual = f->rsi == 0;
  kernel_event event{};
  event.number = SIGALRM;
  if (!usual && !io::copy_in(&event, reinterpret_cast<const void*>(f->rsi), sizeof event)) return below(f, nr);
  const bool directed = event.notify == SIGEV_THREAD_ID && find(static_cast<std::uint32_t>(event.tid)) != nullptr;
  if (!directed && (!clocked || (event.notify != SIGEV_SIGNAL && event.notify != SIGEV_NONE))) return below(f, nr);
  if (event.notify != SIGEV_NONE && (event.number < 1 || event.number > io::most_signals)) return answer(-EINVAL);
  timer* t = take_entry();
  if (t == nullptr) return answer(-EAGAIN);
  t->number = event.notify == SIGEV_NONE ? 0 : event.number;
  t->tid = directed ? static_cast<std::uint32_t>(event.tid) : 0;
  t->value_is_id = usual;
  t->clock = clocked ? counted.who->tid : 0;
  if (event.notify != SIGEV_NONE) {
    event.notify = SIGEV_THREAD_ID;
    event.number = tick_signal;
    event.tid = static_cast<int>(home->thread);
  }
  int id = 0;
  door_frame mapped = *f;
  if (clocked) mapped.rdi = CLOCK_THREAD_CPUTIME_ID;
  mapped.rsi = reinterpret_cast<long>(&event);
  mapped.rdx = reinterpret_cast<long>(&id);
  const door_answer a = below(&mapped, nr);
  long made = a.pass == 0 ? a.result : sys::raw(nr, mapped.rdi, mapped.rsi, mapped.rdx);
  if (made == 0 && !store_id(f->rdx, id)) {
    sys::raw(SYS_timer_delete, id);
    made = -EFAULT;
  }
  if (made != 0) {
    unused.give(t);
    return answer(made);
  }
  t->id = id;
  t->next = bucket(id);
  bucket(id) = t;
  return answer(0);
}

door_answer on_timer_delete(door_frame* f, long nr) noexcept {
  if (signal_caller() != nullptr) remove(static_cast<int>(f->rdi));
  return below(f, nr);
}

// ---- on a thread's clock

void arm(const timer& t, std::uint64_t now) noexcept {
  const std::uint64_t missing = t.due == 0 ? 0 : t.due > now ? t.due - now : 1;
  const itimerspec once{{0, 0}, sys::to_timespec(missing)};
  if (t.number != 0) sys::raw(SYS_timer_settime, t.id, 0, &once, nullptr);
}

// Counts the times that have come by `now`: how many but the first.
std::uint64_t pass_times(timer& t, std::uint64_t now) noexcept {
  if (t.interval == 0) {
    t.due = 0;
    return 0;
  }
  const std::uint64_t more = (now - t.due) / t.interval;
  t.due += (more + 1) * t.interval;
  return more;
}

itimerspec setting(timer& t, std::uint64_t now) noexcept {
  // One that nobody is told of goes on by being looked at.
  if (t.due != 0 && t.due <= now && t.number == 0) pass_times(t, now);
  const std::uint64_t left = t.due == 0 ? 0 : t.due > now ? t.due - now : 1;
  return {sys::to_timespec(t.interval), sys::to_timespec(left)};
}

// The timer, if it counts a thread's time; `who`: that thread, null when it is over.
timer* clocked_timer(const door_frame* f, thread*& who) noexcept {
  timer* t = signal_caller() == nullptr ? nullptr : look_up(static_cast<int>(f->rdi));
  if (t == nullptr || t->clock == 0) return nullptr;
  who = find(t->clock);
  return t;
}

door_answer on_timer_settime(door_frame* f, long nr) noexcept {
  thread* who = nullptr;
  timer* t = clocked_timer(f, who);
  if (t == nullptr) return below(f, nr);
  itimerspec wanted;
  if (f->rdx == 0) return answer(-EINVAL);
  if (!io::copy_in(&wanted, reinterpret_cast<const void*>(f->rdx), sizeof wanted)) return answer(-EFAULT);
  if (!io::valid(wanted.it_value) || !io::valid(wanted.it_interval)) return answer(-EINVAL);
  if (who == nullptr) return answer(-ESRCH);
  const std::uint64_t now = cpu_time(*home, *who), value = io::length_of(wanted.it_value);
  const itimerspec before = setting(*t, now);
  t->due = value == 0 ? 0 : (f->rsi & TIMER_ABSTIME) != 0 ? value : now + value;
  t->interval = io::length_of(wanted.it_interval);
  t->overruns = 0;
  arm(*t, now);
  if (f->r10 != 0 && !io::copy_out(reinterpret_cast<void*>(f->r10), &before, sizeof before)) return answer(-EFAULT);
  return answer(0);
}

door_answer on_timer_gettime(door_frame* f, long nr) noexcept {
  thread* who = nullptr;
  timer* t = clocked_timer(f, who);
  if (t == nullptr) return below(f, nr);
  const itimerspec now = who == nullptr ? itimerspec{} : setting(*t, cpu_time(*home, *who));
  return answer(io::copy_out(reinterpret_cast<void*>(f->rsi), &now, sizeof now) ? 0 : -EFAULT);
}

door_answer on_timer_getoverrun(door_frame* f, long nr) noexcept {
  thread* who = nullptr;
  const timer* t = clocked_timer(f, who);
  return t == nullptr ? below(f, nr) : answer(t->overruns);
}

constexpr green_entry rows[] = {
    {SYS_timer_create, on_timer_create},   {SYS_timer_delete, on_timer_delete},         {SYS_timer_settime, on_timer_settime},
    {SYS_timer_gettime, on_timer_gettime}, {SYS_timer_getoverrun, on_timer_getoverrun},
};

}  // namespace

void timer_came(siginfo_t& info) noexcept {
  timer* t = look_up(info.si_timerid);
  if (t == nullptr) return;
  if (t->clock != 0) {
    thread* who = find(t->clock);
    if (who == nullptr || t->due == 0) return;
    const std::uint64_t now = cpu_time(*home, *who);
    const bool come = now >= t->due;
    constexpr std::uint64_t most = 0x7fffffff;
    if (come) {
      const std::uint64_t more = pass_times(*t, now);
      info.si_overrun = t->overruns = static_cast<int>(more < most ? more : most);
    }
    if (t->due != 0) arm(*t, now);
    if (!come) return;
  }
  info.si_signo = t->number;
  if (t->value_is_id) info.si_value.sival_int = t->id;
  if (t->tid == 0)
    send_to_any(t->number, info);
  else if (thread* target = find(t->tid))
    send_to(*target, t->number, info);
}

void forget_timers() noexcept {
  for (timer*& first : timers)
    while (first != nullptr) remove(first->id);
}

green_rows timer_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
