// The calls about signals that do not wait: masks, pending sets, alternate stacks, sending to threads.
#include <cerrno>
#include <csignal>

#include "green/credentials.hpp"
#include "green/robust_list.hpp"
#include "green/signals.hpp"
#include "io/door.hpp"
#include "io/frame_words.hpp"
#include "io/user_memory.hpp"
#include "io/user_word.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

using io::pointer;

bool load_set(long from, std::uint64_t& set) noexcept {
  if (from % 4 != 0) return io::copy_in(&set, pointer<const void>(from), sizeof set);
  std::uint32_t half[2];
  if (!io::load_word(pointer<const void>(from), half[0]) || !io::load_word(pointer<const void>(from + 4), half[1])) return false;
  __builtin_memcpy(&set, half, sizeof set);
  return true;
}

// libc asks for the old mask whenever it makes a thread: no system call where the page is known.
bool store_set(long user, std::uint64_t set) noexcept {
  if (user % 4 != 0) return io::copy_out(pointer<void>(user), &set, sizeof set);
  for (long half = 0; half < 2; ++half) {
    std::uint32_t seen = 0;
    for (bool swapped = false; !swapped;)
      if (!io::exchange_word(pointer<void>(user + 4 * half), seen, static_cast<std::uint32_t>(set >> 32 * half), swapped)) return false;
  }
  return true;
}

door_answer on_rt_sigprocmask(door_frame* f, long nr) noexcept {
  thread* t = signal_caller();
  if (t == nullptr || f->r10 != static_cast<long>(set_bytes)) return below(f, nr);
  const std::uint64_t before = t->signals.mask;
  std::uint64_t mask = before;
  if (f->rsi != 0) {
    std::uint64_t set;
    if (!load_set(f->rsi, set)) return answer(-EFAULT);
    switch (static_cast<int>(f->rdi)) {
      case SIG_BLOCK: mask |= set; break;
      case SIG_UNBLOCK: mask &= ~set; break;
      case SIG_SETMASK: mask = set; break;
      default: return answer(-EINVAL);
    }
    if (kernel_mask_lent()) sync_kernel_mask(true);
    set_mask(*t, mask);
  }
  if (f->rdx != 0 && !store_set(f->rdx, before)) return answer(-EFAULT);
  return answer(0);
}

door_answer on_rt_sigpending(door_frame* f, long nr) noexcept {
  thread* t = signal_caller();
  if (t == nullptr || f->rsi < 0 || f->rsi > static_cast<long>(set_bytes)) return below(f, nr);
  read_arrivals();
  std::uint64_t in_kernel = 0;
  sys::raw(SYS_rt_sigpending, &in_kernel, set_bytes);
  const std::uint64_t set = (t->signals.pending | in_kernel) & t->signals.mask;
  std::uint64_t whole = 0;
  if (!io::copy_in(&whole, pointer<const void>(f->rdi), sizeof whole)) return answer(-EFAULT);
  sys::copy(&whole, &set, static_cast<std::size_t>(f->rsi));
  return answer(io::copy_out(pointer<void>(f->rdi), &whole, sizeof whole) ? 0 : -EFAULT);
}

// Where the thread stands when it makes the call.
std::uint64_t stack_pointer(const door_frame* f) noexcept { return reinterpret_cast<std::uint64_t>(f); }

door_answer on_sigaltstack(door_frame* f, long nr) noexcept {
  thread* t = signal_caller();
  if (t == nullptr) return below(f, nr);
  const particulars& s = more(*t);
  stack_t now{};
  const bool standing = (s.stack_flags & autodisarm) == 0 && stack_pointer(f) - s.stack - 1 < s.stack_size;
  now.ss_sp = pointer<void>(static_cast<long>(s.stack));
  now.ss_size = s.stack_size;
  now.ss_flags = static_cast<int>(s.stack_flags) | (s.stack_size == 0 ? SS_DISABLE : standing ? SS_ONSTACK : 0);
  if (f->rdi != 0) {
    stack_t wanted;
    if (!io::copy_in(&wanted, pointer<const void>(f->rdi), sizeof wanted)) return answer(-EFAULT);
    if (standing) return answer(-EPERM);
    const int mode = static_cast<int>(static_cast<std::uint32_t>(wanted.ss_flags) & ~autodisarm);
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return answer(-EINVAL);
    if (mode == SS_DISABLE) {
      if (t->rare != nullptr) t->rare->stack = t->rare->stack_size = t->rare->stack_flags = 0;
    } else {
      constexpr std::size_t least = 2048;  // MINSIGSTKSZ
      if (wanted.ss_size < least) return answer(-ENOMEM);
      if (make_more(*t) == nullptr) return answer(-ENOMEM);
      t->rare->stack = reinterpret_cast<std::uint64_t>(wanted.ss_sp);
      t->rare->stack_size = wanted.ss_size;
      t->rare->stack_flags = static_cast<std::uint32_t>(wanted.ss_flags) & autodisarm;
      expect_alternate_stacks();
    }
  }
  if (f->rsi != 0 && !io::copy_out(pointer<void>(f->rsi), &now, sizeof now)) return answer(-EFAULT);
  return answer(0);
}

bool valid_signal(long number) noexcept { return number >= 0 && number <= io::most_signals; }

// The green thread of that id; `foreign`: it is nobody of ours, the kernel knows.
thread* target(long tid, bool& foreign) noexcept {
  const auto id = static_cast<std::uint32_t>(tid);
  thread* t = find(id);
  foreign = t == nullptr && id < first_tid;
  return t;
}

door_answer send(door_frame* f, long nr, long tid, long number, const siginfo_t& info) noexcept {
  bool foreign;
  thread* t = target(tid, foreign);
  if (foreign) return below(f, nr);
  if (!valid_signal(number)) return answer(-EINVAL);
  if (t == nullptr) return answer(-ESRCH);
  if (number == 0) return answer(0);
  read_arrivals();
  return answer(send_to(*t, static_cast<int>(number), info));
}

siginfo_t from_me(int number) noexcept {
  siginfo_t info;
  sys::fill(&info, 0, sizeof info);
  info.si_signo = number;
  info.si_code = SI_TKILL;
  info.si_pid = static_cast<pid_t>(sys::raw(SYS_getpid));
  info.si_uid = static_cast<uid_t>(sys::raw(SYS_getuid));
  return info;
}

bool is_own_process(long tgid) noexcept { return static_cast<int>(tgid) == static_cast<int>(sys::raw(SYS_getpid)); }

door_answer on_tgkill(door_frame* f, long nr) noexcept {
  if (signal_caller() == nullptr || static_cast<int>(f->rdi) <= 0 || static_cast<int>(f->rsi) <= 0) return below(f, nr);
  bool foreign;
  if (!is_own_process(f->rdi)) return target(f->rsi, foreign) == nullptr && foreign ? below(f, nr) : answer(-ESRCH);
  if (static_cast<int>(f->rdx) == credentials_signal) ask_for_credentials(*signal_caller());
  return send(f, nr, f->rsi, static_cast<int>(f->rdx), from_me(static_cast<int>(f->rdx)));
}

door_answer on_tkill(door_frame* f, long nr) noexcept {
  if (signal_caller() == nullptr || static_cast<int>(f->rdi) <= 0) return below(f, nr);
  return send(f, nr, f->rdi, static_cast<int>(f->rsi), from_me(static_cast<int>(f->rsi)));
}

door_answer on_rt_tgsigqueueinfo(door_frame* f, long nr) noexcept {
  if (signal_caller() == nullptr || static_cast<int>(f->rdi) <= 0 || static_cast<int>(f->rsi) <= 0) return below(f, nr);
  if (!is_own_process(f->rdi)) return below(f, nr);
  siginfo_t info;
  if (!io::copy_in(&info, pointer<const void>(f->r10), sizeof info)) return answer(-EFAULT);
  info.si_signo = static_cast<int>(f->rdx);
  return send(f, nr, f->rsi, static_cast<int>(f->rdx), info);
}

// What is ignored from now on is not pending any more.
door_answer on_rt_sigaction(door_frame* f, long nr) noexcept {
  const door_answer got = below(f, nr);
  if (got.pass != 0 || got.result != 0 || f->rsi == 0 || signal_caller() == nullptr) return got;
  const int number = static_cast<int>(f->rdi);
  if (is_ignored(io::action_of(number), number)) discard_pending(signal_bit(number));
  return got;
}

// The new program begins with the thread's mask, and what is pending for it.
door_answer on_exec(door_frame* f, long nr) noexcept {
  thread* t = signal_caller();
  if (t == nullptr) return below(f, nr);
  signals_before_exec(*t);
  robust_before_exec();
  door_answer got = below(f, nr);
  if (got.pass == 1) got = answer(sys::raw(nr, f->rdi, f->rsi, f->rdx, f->r10, f->r8));
  robust_after_exec();
  signals_after_exec(*t);
  return got;
}

// A process is also known by its threads' ids.
door_answer on_kill(door_frame* f, long nr) noexcept {
  const bool mine = signal_caller() != nullptr && is_green_id(f->rdi) && find(static_cast<std::uint32_t>(f->rdi)) != nullptr;
  if (!mine) return below(f, nr);
  return answer(sys::raw(nr, sys::raw(SYS_getpid), f->rsi, f->rdx));
}

constexpr green_entry rows[] = {
    {SYS_rt_sigprocmask, on_rt_sigprocmask},
    {SYS_rt_sigpending, on_rt_sigpending},
    {SYS_sigaltstack, on_sigaltstack},
    {SYS_tgkill, on_tgkill},
    {SYS_tkill, on_tkill},
    {SYS_rt_tgsigqueueinfo, on_rt_tgsigqueueinfo},
    {SYS_kill, on_kill},
    {SYS_rt_sigaction, on_rt_sigaction},
    {SYS_execve, on_exec},
    {SYS_execveat, on_exec},
    {SYS_rt_sigqueueinfo, on_kill},
};

}  // namespace

green_rows signal_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
