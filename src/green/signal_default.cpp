// What becomes of a signal for which the program has no handler. The process's own fate is the kernel's to decide.
#include "green/end.hpp"
#include "green/signals.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

bool is_default(const signal_action& a) noexcept { return a.handler == reinterpret_cast<void*>(SIG_DFL); }

void give_default_action(int number) noexcept {
  const signal_action usual{};
  sys::raw(SYS_rt_sigaction, number, &usual, nullptr, set_bytes);
}

}  // namespace

usual usual_action(int number) noexcept {
  switch (number) {
    case SIGCHLD: case SIGURG: case SIGWINCH: case SIGCONT: return usual::ignored;
    case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU: return usual::stops;
    default: return usual::ends;
  }
}

bool is_ignored(const signal_action& a, int number) noexcept {
  return a.handler == reinterpret_cast<void*>(SIG_IGN) || (is_default(a) && usual_action(number) == usual::ignored);
}

std::uint64_t ending_signals() noexcept {
  std::uint64_t set = 0;
  for (int number = 1; number <= io::most_signals; ++number)
    if (usual_action(number) == usual::ends) set |= signal_bit(number);
  return set & ~(never_blocked | signal_bit(cancel_signal) | signal_bit(setxid_signal));
}

void carry_out(int number, const siginfo_t& info) noexcept {
  // Weft's own handler may stand in the kernel, although the program has none.
  if (usual_action(number) == usual::ends) {
    // No such signal ends the first process of a namespace.
    if (sys::raw(SYS_getpid) != 1) leave_all_locks();
    end_by_default(number);
  }
  const std::uint64_t others = ~signal_bit(number);
  const long process = sys::raw(SYS_getpid), me = sys::raw(SYS_gettid);
  sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &others, nullptr, set_bytes);
  if (sys::raw(SYS_rt_tgsigqueueinfo, process, me, number, &info) != 0) sys::raw(SYS_tgkill, process, me, number);
  // The process was stopped, and goes on; or nothing can end it (the first process of a namespace).
  sync_kernel_mask(true);
}

void end_by_default(int number) noexcept {
  if (before_exit != nullptr) before_exit();
  give_default_action(number);
}

void let_fault_happen(int number, const siginfo_t* info, ucontext_t* u) noexcept {
  end_by_default(number);
  // The instruction is behind a trap (int3, a step, a filtered call) and would go on: the signal comes once more when the frame is left,
  // so that a core shows where it was.
  if (number != SIGTRAP && number != SIGSYS) return;
  const std::uint64_t bit = signal_bit(number);
  sys::raw(SYS_rt_sigprocmask, SIG_BLOCK, &bit, nullptr, set_bytes);
  auto& mask = *reinterpret_cast<std::uint64_t*>(&u->uc_sigmask);
  mask &= ~bit;
  sys::raw(SYS_rt_tgsigqueueinfo, sys::raw(SYS_getpid), sys::raw(SYS_gettid), number, info);
}

}  // namespace weft::green
