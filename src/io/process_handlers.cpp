// fork and its kin. A child with its own memory gets its own poller; a child in this memory (vfork, posix_spawn) must not touch
// Weft's state, so everything it calls passes through.
#include <csignal>
#include <sched.h>

#include "io/after_fork.hpp"
#include "io/descriptors.hpp"
#include "io/door.hpp"
#include "io/fd_facts.hpp"
#include "io/futex.hpp"
#include "io/futex_table.hpp"
#include "io/handlers.hpp"
#include "io/user_memory.hpp"
#include "sys/process_mark.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

enum class child : std::uint8_t {
  thread,          // none of our business
  borrows_memory,  // until it execs or exits; the parent waits
  shares_memory,   // and runs beside the parent
  goes_elsewhere,  // own memory, but starts on a stack that the caller gave: it does not come back through here
  own_memory,      // fork
};

child child_of(std::uint64_t flags, bool own_stack) noexcept {
  if (flags & CLONE_THREAD) return child::thread;
  if (flags & CLONE_VM) return flags & CLONE_VFORK ? child::borrows_memory : child::shares_memory;
  return own_stack ? child::goes_elsewhere : child::own_memory;
}

// Nobody else could be in the table of futexes: one hub carries all of the program's threads. The table is then left untouched, which
// else costs both processes a copy of its every page.
bool alone(const hub& h) noexcept {
  return h.threads && !futex::kernel_may_wait && core::all_hubs == &h && h.next_hub == nullptr;
}

template <class Call>
door_answer make_child(child kind, Call call) noexcept {
  switch (kind) {
    case child::thread: return pass_on;
    case child::borrows_memory:
      if (hub* h = own_hub(); h != nullptr && before_borrowing_child != nullptr) before_borrowing_child();
      expect_child(true);
      return pass_on;
    case child::shares_memory: expect_child(false); return pass_on;
    // Its copy of the mark names the parent, so all its calls pass; the parent takes its own mark back at the next call.
    case child::goes_elsewhere: expect_child(true); return pass_on;
    case child::own_memory: break;
  }
  hub* h = own_hub();
  if (h == nullptr) return pass_on;
  facts::note_duplicate();
  const bool others = !alone(*h);
  if (others) futex::hold_all();
  // Green threads' signals are not in order in the child before it has heard that it is one.
  constexpr std::uint64_t all = ~std::uint64_t{0};
  std::uint64_t mask = 0;
  if (h->threads) sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, 8);
  const long pid = call();
  if (h->threads && pid != 0) sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, 8);
  if (others && pid == 0)
    futex::release_all_in_child(h);
  else if (others)
    futex::release_all();
  if (pid == 0 && sys::first_renewal())
    if (const long error = renew_poller(*h); error != 0)
      sys::report() << "a forked child got no poller of its own (error " << -error << "): its waits will not end.\n";
  if (pid == 0 && h->threads && forget_other_threads != nullptr) forget_other_threads(*h);
  return {pid, 0};
}

}  // namespace

door_answer on_fork(door_frame*, long) noexcept {
  return make_child(child::own_memory, [] { return sys::raw(SYS_fork); });
}

door_answer on_vfork(door_frame*, long) noexcept {
  return make_child(child::borrows_memory, [] { return long{0}; });
}

door_answer on_clone(door_frame* f, long) noexcept {
  return make_child(child_of(static_cast<std::uint64_t>(f->rdi), f->rsi != 0),
                    [f] { return sys::raw(SYS_clone, f->rdi, f->rsi, f->rdx, f->r10, f->r8); });
}

door_answer on_clone3(door_frame* f, long) noexcept {
  std::uint64_t args[8];  // flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls
  if (f->rsi < static_cast<long>(sizeof args) || !copy_in(&args[0], reinterpret_cast<const void*>(f->rdi), sizeof args))
    return pass_on;
  return make_child(child_of(args[0], args[5] != 0), [f] { return sys::raw(SYS_clone3, f->rdi, f->rsi); });
}

}  // namespace weft::io
