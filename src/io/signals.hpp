// Signals and parked calls: what a program sees of EINTR and SA_RESTART when a rewritten system call parks a fiber.
//
// The seam for ops. A call of a rewritten site runs in `cooperate` (door.hpp), which marks the fiber (call_flags::in_call). From
// then on a signal that the program handles can end any wait of that fiber, with wake::signalled, like a cancellation does; the wait
// is withdrawn by then (`on_abort` ran). An op
//   - says nothing to be interruptible; sets `waiter::uninterruptible` for a wait that the kernel would not end either (disk I/O);
//   - passes the ended code on: `signalled` where the kernel restarts the call under SA_RESTART (read, accept, connect, wait4, flock,
//     a futex wait without timeout), never_again(code) where it never does (sleeps, poll, epoll_wait, semop, msgrcv, and whatever
//     waits with a timeout, SO_RCVTIMEO included);
//   - answers what was transferred already, if anything was: that wins, and the handler runs all the same. From the moment a signal is due
//     every further interruptible park of the call ends at once, so an op that goes on with the rest comes back soon;
//   - knows nothing of handlers. They run when it has returned, in `settle`, on the fiber, with nothing of the op left: a handler
//     may park, make calls, or never come back (siglongjmp).
// An op that is made again starts from its arguments. Calls of the C++ face are not marked, and nothing here touches them.
//
// How a signal gets there. sigaction(2) is handed to Weft (signal_actions.hpp), which keeps the program's action and puts
// `weft_signal_entry` into the kernel, with the program's mask, SA_RESTART, SA_ONSTACK. When the kernel calls it,
//   - on a thread without a hub, or while a fiber runs code that is not a marked call: the program's handler is called at once;
//     afterwards a parked call (see below) ends with EINTR if it must, since the signal could have been that thread's;
//   - inside a marked call, or while the hub polls or switches: the signal is recorded and sent to the hub's inbox, which wakes the
//     poller. The hub gives it to the fiber that is in a call and running, else to main if it is parked in a call, else to the fiber that
//     has been parked in one for longest. Without any, the handler is called at once, on the stack of whoever polls, where nothing
//     can park.
// Green threads have all this to themselves, and other rules: src/green/signals.hpp, by way of `thread_signals`.
// The signal mask is the OS thread's. Signals of faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS) and libc's own two are
// left to the kernel.
#pragma once

#include "core/hub.hpp"
#include "io/signal_actions.hpp"

namespace weft::io {

// One instruction each: a signal handler may change the other flag in between.
inline void begin_call(detail::fiber_base* f) noexcept {
  asm volatile("orb %1, %0" : "+m"(f->call) : "i"(detail::in_call) : "memory", "cc");
}
// True: signals are due.
inline bool end_call(detail::fiber_base* f) noexcept {
  asm volatile("andb %1, %0" : "+m"(f->call) : "i"(0xff ^ detail::in_call) : "memory", "cc");
  return (f->call & detail::signal_due) != 0;
}

enum class handled : std::uint8_t {
  none,
  restart,  // the first of the handlers has SA_RESTART
  fail,     // it has not
};

// What src/green does for its threads; null while there are none.
struct thread_signals {
  // The kernel has called the entry. False: the entry goes on.
  bool (*came)(int number, siginfo_t* info, void* context);
  // door.hpp's settle for a green thread: its handlers run when the call comes back to its site.
  void (*settle)(detail::hub& h, detail::fiber_base* self, long& result) noexcept;
  // In the child of a fork: whether what was sent to the hub is a signal of the parent's, which is to be forgotten.
  bool (*is_parents)(core::remote_node* n) noexcept;
};
inline thread_signals of_threads{};

// In the child of a fork: what came to the parent is not for the child, which begins with nothing pending.
void forget_recorded_signals(detail::hub& h) noexcept;

// Runs the handlers of the signals that are due on the running fiber. It may never return.
handled run_due_signals(detail::hub& h, detail::fiber_base* self) noexcept;

}  // namespace weft::io
