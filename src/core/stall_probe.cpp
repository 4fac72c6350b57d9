#include "core/stall_probe.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <linux/futex.h>
#include <ucontext.h>

#include "core/trace.hpp"
#include "sys/clock.hpp"
#include "sys/own_handlers.hpp"
#include "sys/syscall.hpp"

namespace weft::core {
namespace {

constexpr const char* names[] = {
#include <syscall_names.inc>  // made by sys/syscall_names.py
};

constexpr nanos patience = 200'000'000;

// What the asker and the thread that is asked share. Static, for an answer may come long after the asker has given up.
struct {
  std::uint32_t asked = 0;       // number of the probe that waits for an answer; 0: none
  std::uint32_t done = 0;        // futex word: number of the last probe that was answered
  const hub* of = nullptr;
  std::uint64_t progress = 0;
  long system_call = -1;
  nanos lasted = 0;
  probe_answer answer;
} question;
std::uint32_t last_number = 0;

// The kernel has ended a call that is never restarted with EINTR (signal(7)): it is begun again, or the watchdog would break what it
// watches. The number is known from before; the arguments are still in their registers.
void begin_again(ucontext_t& c, long nr) noexcept {
  greg_t* const r = c.uc_mcontext.gregs;
  const auto* pc = reinterpret_cast<const unsigned char*>(r[REG_RIP]);
  if (nr < 0 || r[REG_RAX] != -EINTR || pc[-2] != 0x0f || pc[-1] != 0x05) return;
  r[REG_RIP] -= 2;
  r[REG_RAX] = nr;
}

void note_fiber(probe_answer& a, const fiber_base* f) noexcept {
  a.fiber = f;
  a.site = f->site;
  const char* name = f->is_main ? "main" : f->extra != nullptr && f->extra->name != nullptr ? f->extra->name : "";
  std::size_t n = 0;
  for (; n + 1 < sizeof a.name && name[n] != 0; ++n) a.name[n] = name[n];
  a.name[n] = 0;
}

void on_probe(int, siginfo_t* info, void* context) {
  const int before = errno;
  auto& c = *static_cast<ucontext_t*>(context);
  std::uint32_t number = static_cast<std::uint32_t>(info->si_value.sival_int);
  if (info->si_code == SI_QUEUE && number != 0 &&
      __atomic_compare_exchange_n(&question.asked, &number, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    probe_answer& a = question.answer;
    // A hub that has gone on may be in the middle of a switch, where there is no stack to walk.
    a.same = detail::try_hub() == question.of && progress_of(*question.of) == question.progress;
    if (a.same) {
      note_fiber(a, detail::current_fiber());
      if (hub* h = detail::try_hub(); h->traced) trace::stall(*h, question.lasted, question.system_call);
      _Unwind_Backtrace(note_frame, &a.trace);
      for (int i = 0; i < a.trace.count; ++i)
        if (a.trace.at[i] == reinterpret_cast<void*>(c.uc_mcontext.gregs[REG_RIP])) a.first = i;
    }
    begin_again(c, question.system_call);
    __atomic_store_n(&question.done, number, __ATOMIC_RELEASE);
    sys::raw(SYS_futex, &question.done, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
  }
  errno = before;
}

// The highest real-time signal that the program leaves alone; 0 when there is none.
int unused_signal() noexcept {
  for (int number = SIGRTMAX; number >= SIGRTMIN; --number) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0) continue;
    if ((now.sa_flags & SA_SIGINFO) != 0 ? now.sa_sigaction == on_probe : now.sa_handler == SIG_DFL) return number;
  }
  return 0;
}

bool ask(hub& h, int tid, int number, std::uint64_t progress, nanos lasted, long system_call) noexcept {
  question.answer = {};
  question.of = &h;
  question.progress = progress;
  question.system_call = system_call;
  question.lasted = lasted;
  if (++last_number == 0) ++last_number;
  __atomic_store_n(&question.asked, last_number, __ATOMIC_RELEASE);
  siginfo_t info{};
  info.si_signo = number;
  info.si_code = SI_QUEUE;
  info.si_pid = static_cast<pid_t>(sys::raw(SYS_getpid));
  info.si_value.sival_int = static_cast<int>(last_number);
  if (sys::raw(SYS_rt_tgsigqueueinfo, info.si_pid, tid, number, &info) == 0) {
    const nanos give_up = sys::monotonic_ns() + patience;
    for (nanos now; (now = sys::monotonic_ns()) < give_up;) {
      const std::uint32_t seen = __atomic_load_n(&question.done, __ATOMIC_ACQUIRE);
      if (seen == last_number) return true;
      const timespec left = sys::to_timespec(give_up - now);
      sys::raw(SYS_futex, &question.done, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seen, &left);
    }
  }
  // Withdrawn, unless the answer is being written at this moment.
  std::uint32_t expected = last_number;
  if (__atomic_compare_exchange_n(&question.asked, &expected, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return false;
  while (__atomic_load_n(&question.done, __ATOMIC_ACQUIRE) != last_number) sys::raw(SYS_sched_yield);
  return true;
}

}  // namespace

long waiting_in(int tid) noexcept {
  char path[64], text[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
  const long fd = sys::raw(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return -1;
  const long n = sys::raw(SYS_read, fd, text, sizeof text - 1);
  sys::raw(SYS_close, fd);
  // "nr arguments sp pc", "-1 sp pc" (waiting, but in no call), or "running".
  if (n <= 0 || text[0] < '0' || text[0] > '9') return -1;
  text[n] = 0;
  return std::strtol(text, nullptr, 10);
}

const char* system_call_name(long nr) noexcept {
  return nr >= 0 && nr < static_cast<long>(sizeof names / sizeof *names) ? names[nr] : nullptr;
}

void prepare_probe() noexcept {
  // The unwinder's first walk sets up what a signal handler could not.
  frames warm;
  _Unwind_Backtrace(note_frame, &warm);
}

probe_answer probe(hub& h, int tid, std::uint64_t progress, nanos lasted) noexcept {
  const int number = unused_signal();
  if (number == 0) return {};
  sys::note_own_handler(reinterpret_cast<const void*>(on_probe));
  struct sigaction mine {}, before {};
  mine.sa_sigaction = on_probe;
  mine.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigfillset(&mine.sa_mask);
  if (sigaction(number, &mine, &before) != 0) return {};
  if (!ask(h, tid, number, progress, lasted, waiting_in(tid))) return {};  // the handler stays: the signal may still arrive
  question.answer.answered = true;
  struct sigaction now {};
  if (sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_probe)
    sigaction(number, &before, nullptr);
  return question.answer;
}

}  // namespace weft::core
