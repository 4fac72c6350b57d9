// OS threads of another process held still for a moment, by ptrace(2), and their registers.
//
// PTRACE_SEIZE and PTRACE_INTERRUPT leave no trace in the program: no signal, no SIGSTOP to be seen by its parent. But a thread that
// sleeps in a system call is woken for it, and some calls then fail with EINTR, which the program would see although it has no handler
// (signal(7): epoll_wait, a recv with a time limit, ...). So who is asleep in such a call of the program's own is not stopped: it moves
// nothing either. Weft's own waits know EINTR.
// If this process dies, the kernel lets the threads go.
#pragma once

#include <map>
#include <optional>
#include <sys/types.h>
#include <sys/user.h>
#include <vector>

#include "inspect/process.hpp"

namespace weft::inspect {

class stopped {
public:
  // Stops what may be stopped of `threads`. `own_text` says whether an address is in Weft's code. Throws failure when the kernel refuses.
  template <class F>
  stopped(const process& p, const std::vector<pid_t>& threads, F&& own_text) : process_(p) {
    for (const pid_t t : threads) {
      const kernel_call& c = before_[t] = p.call_of(t);
      if (c.what != kernel_call::kind::blocked || own_text(c.program_counter) || restarts(p, c)) seize(t);
    }
    wait_for_all();
  }
  ~stopped() { let_go(); }
  stopped(const stopped&) = delete;
  stopped& operator=(const stopped&) = delete;

  // Of a thread that was stopped.
  std::optional<user_regs_struct> registers(pid_t thread) const;
  void let_go();
  // What a thread did when it was about to be stopped: afterwards it is on its way back into its call.
  kernel_call call_before(pid_t thread) const {
    const auto at = before_.find(thread);
    return at != before_.end() ? at->second : kernel_call{};
  }

private:
  struct held {
    bool still = false;
    int signal = 0;  // one that was on its way: it is delivered after all
    user_regs_struct registers{};
  };
  // Whether the kernel makes the call again when nothing but a tracer has interrupted it, for certain.
  static bool restarts(const process& p, const kernel_call& c);
  void seize(pid_t thread);
  void wait_for_all();

  const process& process_;
  std::map<pid_t, held> held_;
  std::map<pid_t, kernel_call> before_;
};

}  // namespace weft::inspect
