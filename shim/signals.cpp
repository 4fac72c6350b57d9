// Wrappers of what installs signal handlers: Weft stands in front of them, so that a signal ends the parked call of a fiber as the
// kernel would have ended it. libc translates its struct sigaction to the kernel's; so do these.
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "wrappers.hpp"

// The return stub that the kernel is given with a handler (entry.S).
extern "C" __attribute__((visibility("hidden"))) void weft_shim_sigreturn();

namespace weft::shim {

namespace {

constexpr unsigned long has_restorer = 0x04000000;  // SA_RESTORER, which libc hides

struct kernel_action {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  std::uint64_t mask;
};

kernel_action for_kernel(const struct sigaction& a) {
  kernel_action k{a.sa_handler, static_cast<unsigned long>(a.sa_flags) | has_restorer, weft_shim_sigreturn, 0};
  __builtin_memcpy(&k.mask, &a.sa_mask, sizeof k.mask);
  return k;
}

struct sigaction for_program(const kernel_action& k) {
  struct sigaction a {};
  a.sa_handler = k.handler;
  a.sa_flags = static_cast<int>(k.flags & ~has_restorer);
  __builtin_memcpy(&a.sa_mask, &k.mask, sizeof k.mask);
  a.sa_restorer = k.restorer;
  return a;
}

// The signals that siginterrupt() has taken SA_RESTART from, for signal().
std::uint64_t interrupting = 0;

std::uint64_t bit(int number) { return std::uint64_t{1} << (number - 1); }
bool in_range(int number) { return number >= 1 && number < NSIG; }

// As signal(2) does it: the handler that was there before, SIG_ERR with errno otherwise.
signal_handler install(int number, signal_handler handler, int flags, bool blocks_itself) {
  if (handler == SIG_ERR || !in_range(number)) {
    errno = EINVAL;
    return SIG_ERR;
  }
  struct sigaction wanted {}, before {};
  wanted.sa_handler = handler;
  wanted.sa_flags = flags;
  if (blocks_itself) sigaddset(&wanted.sa_mask, number);
  return call_sigaction(number, &wanted, &before) < 0 ? SIG_ERR : before.sa_handler;
}

}  // namespace

int call_sigaction(int number, const struct sigaction* wanted, struct sigaction* before) {
  static next_function next_sigaction{"sigaction"};
  const auto next = reinterpret_cast<decltype(&call_sigaction)>(next_sigaction.get());
  if (handler_of(SYS_rt_sigaction) == nullptr) return next(number, wanted, before);
  kernel_action set{}, got{};
  if (wanted != nullptr) set = for_kernel(*wanted);
  long result;
  if (!answered<cancellation::none>(SYS_rt_sigaction, result, number, wanted != nullptr ? &set : nullptr,
                                    before != nullptr ? &got : nullptr, kernel_mask_size))
    return next(number, wanted, before);
  if (result == 0 && before != nullptr) *before = for_program(got);
  return static_cast<int>(posix(result));
}

signal_handler call_signal(int number, signal_handler handler) {
  static next_function next_signal{"signal"};
  if (handler_of(SYS_rt_sigaction) == nullptr) return reinterpret_cast<decltype(&call_signal)>(next_signal.get())(number, handler);
  const bool interrupts = in_range(number) && (__atomic_load_n(&interrupting, __ATOMIC_RELAXED) & bit(number)) != 0;
  return install(number, handler, interrupts ? 0 : SA_RESTART, true);
}

signal_handler call_sysv_signal(int number, signal_handler handler) {
  static next_function next_sysv_signal{"sysv_signal"};
  if (handler_of(SYS_rt_sigaction) == nullptr)
    return reinterpret_cast<decltype(&call_sysv_signal)>(next_sysv_signal.get())(number, handler);
  return install(number, handler, SA_RESETHAND | SA_NODEFER, false);
}

int call_siginterrupt(int number, int on) {
  static next_function next_siginterrupt{"siginterrupt"};
  if (handler_of(SYS_rt_sigaction) == nullptr)
    return reinterpret_cast<decltype(&call_siginterrupt)>(next_siginterrupt.get())(number, on);
  struct sigaction action {};
  if (call_sigaction(number, nullptr, &action) < 0) return -1;
  if (on != 0) {
    __atomic_or_fetch(&interrupting, bit(number), __ATOMIC_RELAXED);
    action.sa_flags &= ~SA_RESTART;
  } else {
    __atomic_and_fetch(&interrupting, ~bit(number), __ATOMIC_RELAXED);
    action.sa_flags |= SA_RESTART;
  }
  return call_sigaction(number, &action, nullptr) < 0 ? -1 : 0;
}

}  // namespace weft::shim
