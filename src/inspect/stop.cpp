#include "inspect/stop.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>

namespace weft::inspect {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

// A thread in an uninterruptible sleep (a disk that hangs) does not stop; it does not move, either.
constexpr auto patience = 500ms;

}  // namespace

bool stopped::restarts(const process& p, const kernel_call& c) {
  switch (c.number) {
    case -1:
    case SYS_futex:
    case SYS_nanosleep:
    case SYS_clock_nanosleep:
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_wait4:
    case SYS_waitid:
    case SYS_pause:
    case SYS_rt_sigsuspend:
      return true;
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev: {
      // Sockets may have a time limit, and inotify(7) never restarts.
      const std::string what = link_text(p.proc("fd/" + std::to_string(c.arguments[0])));
      return what.starts_with("pipe:") || what.starts_with("/") || what.starts_with("anon_inode:[eventfd]") ||
             what.starts_with("anon_inode:[timerfd]");
    }
    default:
      return false;
  }
}

void stopped::seize(pid_t thread) {
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) {
    const int error = errno;
    if (error == ESRCH && process_.alive()) return;  // that thread has ended
    let_go();
    process_.refuse(error);
  }
  held_[thread];
  ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
}

void stopped::wait_for_all() {
  const auto until = clock::now() + patience;
  for (auto at = held_.begin(); at != held_.end();) {
    auto& [thread, h] = *at;
    int status = 0;
    pid_t got = 0;
    auto pause = 20us;
    while ((got = waitpid(thread, &status, __WALL | WNOHANG)) == 0 && clock::now() < until) {
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, 1000us);
    }
    if (got == 0) {
      ++at;
      continue;
    }
    if (got < 0 || !WIFSTOPPED(status)) {
      at = held_.erase(at);
      continue;
    }
    h.still = true;
    if (status >> 16 != PTRACE_EVENT_STOP) h.signal = WSTOPSIG(status);
    if (ptrace(PTRACE_GETREGS, thread, nullptr, &h.registers) != 0) {
      at = held_.erase(at);
      continue;
    }
    ++at;
  }
}

std::optional<user_regs_struct> stopped::registers(pid_t thread) const {
  const auto at = held_.find(thread);
  if (at == held_.end() || !at->second.still) return std::nullopt;
  return at->second.registers;
}

void stopped::let_go() {
  for (auto& [thread, h] : held_)
    if (h.still) {
      ptrace(PTRACE_DETACH, thread, nullptr, static_cast<long>(h.signal));
      h.still = false;
    }
  // One that never stopped is let go when this process ends.
}

}  // namespace weft::inspect
