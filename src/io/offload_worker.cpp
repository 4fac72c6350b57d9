#include "io/offload_worker.hpp"

#include <csignal>
#include <new>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include "sys/mem.hpp"
#include "sys/syscall.hpp"

extern "C" {
[[gnu::visibility("hidden")]] long weft_offload_clone(unsigned long flags, void* stack_top, void* tls, void* tid, void (*entry)(void*),
                                                      void* arg);
[[noreturn, gnu::visibility("hidden")]] void weft_offload_exit(void* stack, std::size_t bytes);
[[gnu::visibility("hidden")]] long weft_offload_call(const long* nr_and_args, const std::uint32_t* cancel);
[[gnu::visibility("hidden")]] extern const char weft_offload_call_begin[], weft_offload_call_end[], weft_offload_call_left[];
[[gnu::visibility("hidden")]] void weft_offload_sigreturn();
}

namespace weft::io {
namespace {

constexpr int interrupt_signal = 32, stop_signal = 33;
constexpr std::uint64_t all_signals = ~std::uint64_t{0};
constexpr std::uint64_t all_but_ours = all_signals & ~(1ull << (interrupt_signal - 1)) & ~(1ull << (stop_signal - 1));

// A signal frame with every vector register of today's machines takes up to 11 KiB.
constexpr std::size_t stack_bytes = 64 << 10;
// Below its thread block, for glibc's handlers, which may look for errno there.
constexpr std::size_t gap_bytes = 1024;

// struct sigaction as the kernel reads it.
struct kernel_action {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  std::uint64_t mask;
};
constexpr unsigned long with_restorer = 0x04000000;

using handler = void (*)(int, siginfo_t*, void*);
handler previous = nullptr;
const char ours = 0;  // its address marks our signals

std::uint64_t set_mask(std::uint64_t mask) noexcept {
  std::uint64_t before = 0;
  sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, 8);
  return before;
}

void on_interrupt(int signal, siginfo_t* info, void* context) {
  if (info->si_code != SI_QUEUE || info->si_pid != static_cast<pid_t>(sys::raw(SYS_getpid)) || info->si_value.sival_ptr != &ours) {
    if (handler next = __atomic_load_n(&previous, __ATOMIC_RELAXED)) next(signal, info, context);
    return;
  }
  greg_t* const r = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto pc = static_cast<std::uintptr_t>(r[REG_RIP]);
  const auto begin = reinterpret_cast<std::uintptr_t>(&weft_offload_call_begin[0]);
  const auto end = reinterpret_cast<std::uintptr_t>(&weft_offload_call_end[0]);
  if (pc < begin || pc >= end) return;
  // A signal that comes late meets the worker in its next call.
  const auto* cancel = reinterpret_cast<const std::uint32_t*>(r[REG_RBX]);
  if (__atomic_load_n(cancel, __ATOMIC_ACQUIRE) == 0) return;
  r[REG_RIP] = static_cast<greg_t>(reinterpret_cast<std::uintptr_t>(&weft_offload_call_left[0]));
}

// glibc sets its own handler at the first pthread_cancel: looked at each time.
void install_handler() noexcept {
  kernel_action now{};
  sys::raw(SYS_rt_sigaction, interrupt_signal, nullptr, &now, 8);
  if (now.handler == on_interrupt) return;
  const bool callable = reinterpret_cast<std::uintptr_t>(now.handler) > 1;
  __atomic_store_n(&previous, callable ? now.handler : nullptr, __ATOMIC_RELAXED);
  const kernel_action mine{on_interrupt, SA_SIGINFO | SA_RESTART | SA_ONSTACK | with_restorer, weft_offload_sigreturn, 0};
  sys::raw(SYS_rt_sigaction, interrupt_signal, &mine, nullptr, 8);
}

void* stack_of(worker* w) noexcept {
  const std::size_t above = sys::round_up(sizeof(worker), 64);
  return reinterpret_cast<char*>(w) + above - stack_bytes;
}

void begin(void* arg) {
  auto* w = static_cast<worker*>(arg);
  sys::raw(SYS_prctl, PR_SET_NAME, "weft-offload");
  set_mask(all_but_ours);
  w->run(*w);
  set_mask(all_signals);  // no handler may find this stack gone
  weft_offload_exit(stack_of(w), stack_bytes);
}

}  // namespace

worker* start_worker(void (*run)(worker&) noexcept, offload_op* first_job, std::uint32_t generation) noexcept {
  auto* stack = static_cast<char*>(sys::map(stack_bytes));
  if (stack == nullptr) return nullptr;
  sys::raw(SYS_madvise, stack, stack_bytes, MADV_DONTFORK);
  install_handler();
  char* at = stack + stack_bytes - sys::round_up(sizeof(worker), 64);
  auto* w = new (at) worker;
  w->run = run;
  w->job = first_job;
  w->generation = generation;
  w->thread_block[0] = w->thread_block[2] = &w->thread_block[0];  // fs:0 and fs:16 are the block's own address
  constexpr unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                  CLONE_PARENT_SETTID;
  // A program's handler must not run on it before it has blocked the signals.
  const std::uint64_t mask = set_mask(all_signals);
  const long tid = weft_offload_clone(flags, at - gap_bytes, &w->thread_block[0], &w->tid, begin, w);
  set_mask(mask);
  if (tid >= 0) return w;
  sys::unmap(stack, stack_bytes);
  return nullptr;
}

long make_call(worker& w, const long* nr_and_args) noexcept { return weft_offload_call(nr_and_args, &w.cancel); }

void interrupt(worker& w) noexcept {
  install_handler();
  siginfo_t info{};
  info.si_signo = interrupt_signal;
  info.si_code = SI_QUEUE;
  const long process = sys::raw(SYS_getpid);
  info.si_pid = static_cast<pid_t>(process);
  info.si_value.sival_ptr = const_cast<char*>(&ours);
  sys::raw(SYS_rt_tgsigqueueinfo, process, w.tid, interrupt_signal, &info);
}

}  // namespace weft::io
