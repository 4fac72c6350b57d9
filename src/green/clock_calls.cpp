// The calls that ask for the CPU time of one thread. The process's clocks are the kernel's.
#include <cerrno>
#include <ctime>
#include <sys/resource.h>

#include "green/caller.hpp"
#include "green/clocks.hpp"
#include "green/rows.hpp"
#include "io/durations.hpp"
#include "io/user_memory.hpp"
#include "io/wait_fd.hpp"
#include "sys/clock.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

using io::nanos;

// Clocks of threads: CLOCK_THREAD_CPUTIME_ID, and ~tid << 3 | 6, which pthread_getcpuclockid makes (the kernel knows 4, 5 and 6).
constexpr bool of_thread(int clock) noexcept {
  return clock == CLOCK_THREAD_CPUTIME_ID || (clock < 0 && (clock & 4) != 0 && (clock & 3) != 3);
}
constexpr bool of_process(int clock) noexcept {
  return clock == CLOCK_PROCESS_CPUTIME_ID || (clock < 0 && (clock & 4) == 0 && (clock & 3) != 3);
}

named_thread thread_of(int clock) noexcept { return named(clock == CLOCK_THREAD_CPUTIME_ID ? 0 : ~(clock >> 3)); }

int clock_of(const door_frame* f) noexcept { return static_cast<int>(f->rdi); }

door_answer on_gettime(door_frame* f, long nr) noexcept {
  const int clock = clock_of(f);
  if (!of_thread(clock) || caller() == nullptr) return below(f, nr);
  const named_thread n = thread_of(clock);
  if (n.dead) return answer(-EINVAL);
  if (n.who == nullptr) return below(f, nr);
  const timespec t = sys::to_timespec(cpu_time(*home, *n.who));
  return answer(io::copy_out(reinterpret_cast<void*>(f->rsi), &t, sizeof t) ? 0 : -EFAULT);
}

door_answer on_getres(door_frame* f, long nr) noexcept {
  const int clock = clock_of(f);
  if (!of_thread(clock) || caller() == nullptr) return below(f, nr);
  const named_thread n = thread_of(clock);
  if (n.dead) return answer(-EINVAL);
  return n.who == nullptr ? below(f, nr) : answer(sys::raw(nr, CLOCK_THREAD_CPUTIME_ID, f->rsi));
}

// Sleeps until a clock has come so far that stands still while nobody computes. It runs no faster than time: who sleeps for what is
// missing looks again in time.
template <class Read>
long sleep_on(hub& h, const door_frame* f, Read read) noexcept {
  timespec wanted;
  if (!io::copy_in(&wanted, reinterpret_cast<const void*>(f->rdx), sizeof wanted)) return -EFAULT;
  if (!io::valid(wanted)) return -EINVAL;
  const bool absolute = (f->rsi & TIMER_ABSTIME) != 0;
  const nanos end = absolute ? io::length_of(wanted) : read() + io::length_of(wanted);
  constexpr nanos at_least = 1'000'000;
  for (;;) {
    const nanos now = read();
    if (now >= end) return 0;
    const nanos left = end - now;
    const long got = io::nap(h, left > at_least ? left : at_least, io::never, "sleep");
    if (got == 0) continue;
    const timespec rest = sys::to_timespec(left);
    if (!absolute && f->r10 != 0 && !io::copy_out(reinterpret_cast<void*>(f->r10), &rest, sizeof rest)) return -EFAULT;
    return io::never_again(got);
  }
}

door_answer on_nanosleep(door_frame* f, long nr) noexcept {
  const int clock = clock_of(f);
  if ((!of_thread(clock) && !of_process(clock)) || caller() == nullptr) return below(f, nr);
  if (of_process(clock))
    return io::cooperate(f, [&](hub& h) { return sleep_on(h, f, [clock] { return sys::clock_ns(clock); }); });
  const named_thread n = thread_of(clock);
  if (n.dead || n.who == caller()) return answer(-EINVAL);
  if (n.who == nullptr) return below(f, nr);
  thread* t = n.who;
  const std::uint32_t tid = t->tid;
  return io::cooperate(f, [&](hub& h) {
    return sleep_on(h, f, [&, last = nanos{0}]() mutable { return last = find(tid) == t ? cpu_time(h, *t) : last; });
  });
}

}  // namespace

named_thread thread_of_clock(int clock) noexcept { return of_thread(clock) && caller() != nullptr ? thread_of(clock) : named_thread{}; }

namespace {

timeval to_timeval(nanos ns) noexcept {
  return {static_cast<time_t>(ns / sys::ns_per_s), static_cast<__suseconds_t>(ns % sys::ns_per_s / 1000)};
}

// The times are the thread's; how they divide into user and system time, and all other counts, are the carrier's.
door_answer on_getrusage(door_frame* f, long nr) noexcept {
  thread* t = f->rdi == RUSAGE_THREAD ? caller() : nullptr;
  if (t == nullptr) return below(f, nr);
  const long got = sys::raw(nr, RUSAGE_THREAD, f->rsi);
  if (got != 0) return answer(got);
  auto* usage = reinterpret_cast<rusage*>(f->rsi);
  const auto ns_of = [](const timeval& v) {
    return static_cast<nanos>(v.tv_sec) * sys::ns_per_s + static_cast<nanos>(v.tv_usec) * 1000;
  };
  const nanos user = ns_of(usage->ru_utime), system = ns_of(usage->ru_stime), mine = cpu_time(*home, *t);
  const nanos permille = user + system == 0 ? 1000 : user * 1000 / (user + system);
  usage->ru_utime = to_timeval(mine / 1000 * permille);
  usage->ru_stime = to_timeval(mine - mine / 1000 * permille);
  return answer(0);
}

constexpr green_entry rows[] = {
    {SYS_clock_gettime, on_gettime},     {SYS_clock_getres, on_getres}, {SYS_clock_nanosleep, on_nanosleep},
    {SYS_getrusage, on_getrusage},
};

}  // namespace

green_rows clock_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
