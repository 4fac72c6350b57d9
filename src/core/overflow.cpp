#include "core/overflow.hpp"

#include <csignal>
#include <mutex>
#include <ucontext.h>

#include "core/greenlet.hpp"
#include "core/hub.hpp"
#include "sys/fault.hpp"
#include "sys/mem.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::core {
namespace {

constexpr std::size_t signal_stack_bytes = 64 * 1024;

struct sigaction previous[2];

struct sigaction& previous_of(int sig) { return previous[sig == SIGBUS ? 1 : 0]; }

// The fault is not ours: what would have happened without Weft happens. Returning re-executes the faulting instruction.
void pass_on(int sig, siginfo_t* info, void* context) {
  const struct sigaction& old = previous_of(sig);
  if ((old.sa_flags & SA_SIGINFO) != 0) {
    old.sa_sigaction(sig, info, context);
  } else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) {
    old.sa_handler(sig);
  } else {
    if (before_death != nullptr) before_death(sig);
    std::signal(sig, SIG_DFL);
    // A fault recurs by itself; a signal that was sent (kill) must be sent again.
    if (info->si_code <= 0) sys::raw(SYS_tgkill, sys::raw(SYS_getpid), sys::raw(SYS_gettid), sig);
  }
}

bool explain(const void* address) noexcept {
  std::size_t size = 0;
  if (in_greenlet_guard(address, size)) {
    sys::report() << "stack overflow in a greenlet: its stack has " << (size >> 10)
                  << " KiB. Give it more by greenlet_options::stack_size, or raise the default by WEFT_STACK_SIZE=1M.\n";
    return true;
  }
  const hub* h = detail::try_hub();
  if (h == nullptr || !h->stacks.in_guard(address, size)) return false;
  const fiber_base* f = detail::current_fiber();
  const char* name = f->extra != nullptr && f->extra->name != nullptr ? f->extra->name : "(unnamed)";
  sys::report() << "stack overflow in fiber " << name << ": its stack has " << (size >> 10)
                << " KiB. Give it more by spawn_options::stack_size, or raise the default by WEFT_STACK_SIZE=1M.\n";
  return true;
}

void on_fault(int sig, siginfo_t* info, void* context) {
  greg_t& pc = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  if (const std::uint64_t next = sys::after_fault(static_cast<std::uint64_t>(pc))) {
    pc = static_cast<greg_t>(next);
    return;
  }
  if (info->si_code > 0 && explain(info->si_addr)) {
    if (before_death != nullptr) before_death(sig);
    std::signal(sig, SIG_DFL);
    return;  // the fault recurs and dumps core with the frames that caused it
  }
  pass_on(sig, info, context);
}

}  // namespace

void install_handlers() {
  static std::once_flag once;
  std::call_once(once, [] {
    for (const int sig : {SIGSEGV, SIGBUS}) {
      struct sigaction action {};
      action.sa_sigaction = on_fault;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
      sigemptyset(&action.sa_mask);
      sigaction(sig, &action, &previous_of(sig));
      const struct sigaction& before = previous_of(sig);
      fault_action& programs = programs_fault_actions[sig == SIGBUS ? 1 : 0];
      programs.handler = reinterpret_cast<void*>(before.sa_handler);
      programs.flags = static_cast<std::uint32_t>(before.sa_flags);
      __builtin_memcpy(&programs.mask, &before.sa_mask, sizeof programs.mask);
    }
    fault_handler = reinterpret_cast<const void*>(on_fault);
    explain_overflow = explain;
  });
}

void take_signal_stack(detail::carrier* block) {
  stack_t old{};
  if (sigaltstack(nullptr, &old) == 0 && (old.ss_flags & SS_DISABLE) == 0) {
    // The program (or a sanitizer) has one for this thread: the handler runs there.
    block->signal_stack = reinterpret_cast<std::uint64_t>(old.ss_sp);
    block->signal_stack_size = old.ss_size;
    return;
  }
  void* at = sys::map(signal_stack_bytes);
  if (at == nullptr) return;
  stack_t mine{};
  mine.ss_sp = at;
  mine.ss_size = signal_stack_bytes;
  if (sigaltstack(&mine, nullptr) != 0) {
    sys::unmap(at, signal_stack_bytes);
    return;
  }
  block->signal_stack = reinterpret_cast<std::uint64_t>(at);
  block->signal_stack_size = signal_stack_bytes;
  block->owns_signal_stack = true;
}

void release_signal_stack(detail::carrier* block) {
  if (!block->owns_signal_stack) return;
  stack_t off{};
  off.ss_flags = SS_DISABLE;
  if (sigaltstack(&off, nullptr) == 0) sys::unmap(reinterpret_cast<void*>(block->signal_stack), signal_stack_bytes);
}

}  // namespace weft::core
