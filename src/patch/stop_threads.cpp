#include "patch/stop_threads.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>

#include "core/hub_state.hpp"
#include "sys/clock.hpp"
#include "sys/mem.hpp"
#include "sys/proc_tasks.hpp"
#include "sys/syscall.hpp"

namespace weft::patch {
namespace {

constexpr int stop_signal = 33;
constexpr std::uint32_t slots = 1u << 18;  // touched only where used: enough for the 131,072 threads vm.max_map_count allows
constexpr std::uint64_t look_again_ns = 5'000'000;

// struct sigaction as the kernel reads it.
struct kernel_action {
  void (*handler)(int, void*, void*);
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};
constexpr unsigned long with_restorer = 0x04000000;

// A thread that has exited, or a main thread that called pthread_exit and waits for the others, never answers; nor does one that the
// kernel made for io_uring.
bool has_exited(std::uint32_t tid) noexcept {
  const sys::task_stat stat(tid);
  if (const long error = stat.error(); error != 0) return error == -ENOENT || error == -ESRCH;
  const char state = *stat.field(stat.state);
  return state == 'Z' || state == 'X' || (sys::number_at(stat.field(stat.flags)) & stat.io_worker) != 0;
}

// False when nothing happened for `ns`.
bool wait_for_progress(std::uint32_t& word, std::uint32_t seen, std::uint64_t ns) noexcept {
  const timespec t = sys::to_timespec(ns);
  return sys::raw(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seen, &t) != -ETIMEDOUT;
}

// One stop at a time. Static, because a thread that did not answer may still look here long after the stop was given up.
stop_order order;

constexpr std::size_t table_bytes = slots * sizeof(stopped_thread), list_bytes = slots / 2 * sizeof(std::uint32_t);

}  // namespace

thread_stop::~thread_stop() { resume(false); }

// Reads the directory once and asks every thread that is not known yet. False on failure.
bool thread_stop::ask_new_threads(int directory, std::uint32_t& asked_now, stop_outcome& failure) noexcept {
  asked_now = 0;
  const auto self = static_cast<std::uint32_t>(sys::raw(SYS_gettid)), process = static_cast<std::uint32_t>(sys::raw(SYS_getpid));
  sys::raw(SYS_lseek, directory, 0, SEEK_SET);
  failure = stop_outcome::stopped;
  const long read = sys::each_task(directory, [&](std::uint32_t tid) {
    if (tid == self) return true;
    stopped_thread* const t = slot_of(order, tid);
    if (t->tid == tid) return true;
    if (stopped_ >= slots / 2) {
      failure = stop_outcome::cannot_signal;
      return false;
    }
    t->state = asked;
    __atomic_store_n(&t->tid, tid, __ATOMIC_RELEASE);
    listed_[stopped_++] = static_cast<std::uint32_t>(t - order.threads);
    siginfo_t info{};
    info.si_signo = stop_signal;
    info.si_code = SI_QUEUE;
    info.si_pid = static_cast<pid_t>(process);
    info.si_value.sival_ptr = &weft_patch_stop_order;
    const long r = sys::raw(SYS_rt_tgsigqueueinfo, process, tid, stop_signal, &info);
    if (r == 0) {
      ++asked_now;
      return true;
    }
    t->state = gone;
    if (r != -ESRCH) failure = stop_outcome::cannot_signal;
    return r == -ESRCH;
  });
  if (read < 0) failure = stop_outcome::no_proc;
  return failure == stop_outcome::stopped;
}

bool thread_stop::all_arrived(bool look_for_exits) noexcept {
  for (std::uint32_t k = 0; k < stopped_; ++k) {
    stopped_thread& t = order.threads[listed_[k]];
    if (__atomic_load_n(&t.state, __ATOMIC_ACQUIRE) != asked) continue;
    silent_ = t.tid;
    if (!look_for_exits || !has_exited(t.tid)) return false;
    __atomic_store_n(&t.state, gone, __ATOMIC_RELEASE);
  }
  return true;
}

stop_outcome thread_stop::stop(std::uint64_t patience_ns, const moved_address* moved, std::size_t moved_count,
                               const restart_point* restarts, std::size_t restart_count) noexcept {
  const long directory = sys::raw(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) return stop_outcome::no_proc;
  auto* const memory = static_cast<unsigned char*>(sys::map(table_bytes + list_bytes));
  if (memory == nullptr) {
    sys::raw(SYS_close, directory);
    return stop_outcome::cannot_signal;
  }
  order = {reinterpret_cast<stopped_thread*>(memory), slots - 1, 0, 0, moved, moved_count, restarts, restart_count,
           core::empty_block()};
  listed_ = reinterpret_cast<std::uint32_t*>(memory + table_bytes);
  stopped_ = 0;
  active_ = true;
  kernel_action ours{weft_patch_stop_handler, SA_SIGINFO | SA_RESTART | SA_ONSTACK | with_restorer, weft_patch_sigreturn, ~0ul};
  static_assert(sizeof(kernel_action) == sizeof kernel_action_);
  sys::raw(SYS_rt_sigaction, stop_signal, nullptr, &kernel_action_[0], 8);
  kernel_action before;
  sys::copy(&before, &kernel_action_[0], sizeof before);
  const bool ours_already = before.handler == weft_patch_stop_handler;  // left by a stop that failed
  const bool callable = !ours_already && reinterpret_cast<std::uintptr_t>(before.handler) > 1;
  if (!ours_already)
    __atomic_store_n(&weft_patch_previous_action, callable ? reinterpret_cast<void*>(before.handler) : nullptr, __ATOMIC_RELAXED);
  __atomic_store_n(&weft_patch_stop_order, &order, __ATOMIC_RELEASE);
  sys::raw(SYS_rt_sigaction, stop_signal, &ours, nullptr, 8);
  installed_ = !ours_already;

  const std::uint64_t give_up_at = sys::monotonic_ns_by_call() + patience_ns;
  stop_outcome outcome = stop_outcome::stopped;
  // A thread that is not stopped yet may start another: go on until a whole pass finds nobody new.
  for (std::uint32_t asked_now = 1; asked_now != 0 && outcome == stop_outcome::stopped;) {
    if (!ask_new_threads(static_cast<int>(directory), asked_now, outcome)) break;
    bool look_for_exits = false;
    while (asked_now != 0) {
      const std::uint32_t seen = __atomic_load_n(&order.progress, __ATOMIC_ACQUIRE);
      if (all_arrived(look_for_exits)) break;
      if (sys::monotonic_ns_by_call() > give_up_at) {
        outcome = stop_outcome::no_answer;
        break;
      }
      look_for_exits = !wait_for_progress(order.progress, seen, look_again_ns);
    }
  }
  sys::raw(SYS_close, directory);
  if (outcome != stop_outcome::stopped) resume(false);
  return outcome;
}

void thread_stop::resume(bool moved_too) noexcept {
  if (!active_) return;
  active_ = false;
  if (!moved_too) order.moved_count = 0;
  // The stopper itself may have been called by a signal handler.
  else move_interrupted_frames(order, reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  __atomic_store_n(&order.go_on, 1, __ATOMIC_RELEASE);
  sys::raw(SYS_futex, &order.go_on, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT32_MAX);
  bool silent = false;
  for (std::uint32_t k = 0; k < stopped_; ++k) {
    stopped_thread& t = order.threads[listed_[k]];
    // Whoever has not come yet is told by its slot not to wait when it does.
    std::uint32_t expected = asked;
    if (__atomic_compare_exchange_n(&t.state, &expected, gone, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) silent = true;
    for (;;) {
      const std::uint32_t seen = __atomic_load_n(&order.progress, __ATOMIC_ACQUIRE);
      if (__atomic_load_n(&t.state, __ATOMIC_ACQUIRE) != waiting) break;
      wait_for_progress(order.progress, seen, look_again_ns);
    }
  }
  if (silent) return;  // the handler and the table stay: the signal's default action would end the process
  __atomic_store_n(&weft_patch_stop_order, nullptr, __ATOMIC_RELEASE);
  if (installed_) sys::raw(SYS_rt_sigaction, stop_signal, &kernel_action_[0], nullptr, 8);
  sys::unmap(order.threads, table_bytes + list_bytes);
}

}  // namespace weft::patch
