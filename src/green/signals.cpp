// The life of green threads' signals: from the first thread to fork, exec and each thread's end; and what a call that a signal reached
// answers.
#include "green/signals.hpp"

#include <cerrno>
#include <ctime>

#include "core/due.hpp"
#include "core/hub.hpp"
#include "core/overflow.hpp"
#include "green/begin.hpp"
#include "green/end.hpp"
#include "green/file_owners.hpp"
#include "green/shared_memory.hpp"
#include "io/ended.hpp"
#include "io/after_fork.hpp"
#include "io/door.hpp"
#include "patch/stop_handler.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"


namespace weft::green {
namespace {

constexpr std::size_t signal_stack_bytes = 64 * 1024;

// The carrier's alternate stack is Weft's: the program's own is the leader's, and no more the kernel's.
void take_over_stack(hub& h, thread& t) noexcept {
  detail::carrier& c = *h.block;
  if (c.owns_signal_stack) return;
  stack_t programs{};
  if (sys::raw(SYS_sigaltstack, nullptr, &programs) == 0 && (programs.ss_flags & SS_DISABLE) == 0) {
    if (make_more(t) == nullptr) return;
    t.rare->stack = reinterpret_cast<std::uint64_t>(programs.ss_sp);
    t.rare->stack_size = programs.ss_size;
    t.rare->stack_flags = static_cast<std::uint32_t>(programs.ss_flags) & autodisarm;
    have_alternate_stacks = true;
  }
  stack_t mine{};
  mine.ss_sp = sys::map(signal_stack_bytes);
  mine.ss_size = signal_stack_bytes;
  if (mine.ss_sp == nullptr || sys::raw(SYS_sigaltstack, &mine, nullptr) != 0) return;
  c.signal_stack = reinterpret_cast<std::uint64_t>(mine.ss_sp);
  c.signal_stack_size = mine.ss_size;
  c.owns_signal_stack = true;
}

// What is pending for the first thread itself (raise) becomes its own; what is pending for the process stays the kernel's.
void take_over_pending(thread& t) noexcept {
  std::uint64_t set = 0;
  sys::raw(SYS_rt_sigpending, &set, set_bytes);
  siginfo_t info;
  const timespec none{};
  while (set != 0 && sys::raw(SYS_rt_sigtimedwait, &set, &info, &none, set_bytes) > 0) {
    const bool own = info.si_code == SI_TKILL || info.si_signo == SIGPIPE || info.si_signo == SIGXFSZ;
    add_pending(t, info.si_signo, info, !own);
  }
  hand_on(t, ~std::uint64_t{0});
}

// io::of_threads.settle: what the call answers depends on the handler that will run first; it runs when the site's entry is left.
void settle_call(hub& h, fiber_base* self, long& result) noexcept {
  h.block->due |= core::due_signals;
  if (result != io::signalled && result != io::signalled_for_good) return;
  thread& t = *of(self);
  read_arrivals();
  bool again = result == io::signalled;
  if (const std::uint64_t set = deliverable(t); set != 0) {
    const signal_action a = io::action_of(__builtin_ctzll(set) + 1);
    const bool handled = reinterpret_cast<std::uintptr_t>(a.handler) > 1;
    if (handled && (a.flags & SA_RESTART) == 0) again = false;
  }
  result = again ? io::begins_again : -EINTR;
}

}  // namespace

void start_signals(hub& h) noexcept {
  if (!wanted) return;
  are_virtual = true;
  thread& t = leader();
  take_over_stack(h, t);
  find_first_stack();
  take_own_signal_actions();
  recount_masks();
  sync_kernel_mask(true);
  take_over_pending(t);
}

void expect_alternate_stacks() noexcept {
  if (have_alternate_stacks) return;
  have_alternate_stacks = true;
  take_own_signal_actions();
}

void take_own_signal_actions() noexcept {
  // Before the process ends a table is to be written, or locks are to be left to other processes: that it ends by a signal's default
  // action, only Weft's entry can see.
  const std::uint64_t seen = before_exit != nullptr || anything_to_lock() ? ending_signals() : 0;
  io::actions_for_threads(reinterpret_cast<const void*>(&patch::weft_patch_sigreturn), tick_signal, seen, have_alternate_stacks);
  io::of_threads = {signal_came, settle_call, is_bell};
  io::before_borrowing_child = lend_kernel_mask;
  take_own_signal();
}

void inherit_signals(thread& child, const thread& parent) noexcept {
  if (!are_virtual) return;
  child.signals.mask = parent.signals.mask;
  count_mask(child.signals.mask);
}

void forget_signals(thread& t) noexcept {
  if (!are_virtual || t.signals_over) return;
  t.signals_over = true;
  uncount_mask(t.signals.mask);
  sync_kernel_mask();
  hand_on(t, ~std::uint64_t{0});
  drop_pending(t);
}

void signals_before_exec(thread& t) noexcept {
  read_arrivals();
  const std::uint64_t mask = t.signals.mask & ~never_blocked;
  sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, set_bytes);
  // What is pending stays so across exec.
  siginfo_t info;
  bool shared;
  const long process = sys::raw(SYS_getpid);
  while (take_pending(t, mask, info, shared)) {
    if (info.si_signo == setxid_signal || info.si_signo == cancel_signal) continue;
    sys::raw(SYS_rt_tgsigqueueinfo, process, home->thread, info.si_signo, &info);
  }
}

void signals_after_exec(thread&) noexcept {
  // What went to the kernel comes back as signals of the process.
  sync_kernel_mask(true);
}

void signals_in_child(thread& t) noexcept {
  if (!are_virtual) return;
  drop_arrivals();
  forget_timers();
  forget_file_owners();
  home->thread = static_cast<std::uint32_t>(sys::raw(SYS_gettid));
  drop_pending(t);
  t.signals_over = false;
  if (t.rare != nullptr) t.rare->waited_for = 0;
  if (t.masked_for_call) {
    t.masked_for_call = false;
    t.signals.mask = more(t).kept_mask;
  }
  recount_masks();
  sync_kernel_mask(true);
}

}  // namespace weft::green
