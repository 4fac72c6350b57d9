#include "io/children.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>

#include "io/descriptors.hpp"
#include "io/offload.hpp"
#include "io/user_memory.hpp"
#include "io/wait_fd.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

constexpr int exits_only = WEXITED | __WALL | __WCLONE;

// Whose change is waited for, as waitid(2) says it.
struct wanted {
  int kind;
  int id;
  int options;
};

long collect(const wanted& w, siginfo_t* info, void* usage) noexcept {
  info->si_pid = 0;
  return sys::raw(SYS_waitid, w.kind, w.id, info, w.options | WNOHANG, usage);
}

long pidfd_of(int pid) noexcept {
  const long fd = sys::raw(SYS_pidfd_open, pid, 0);
  return fd < 0 ? fd : poller::move_up(static_cast<int>(fd));
}

// Readable when the process has ended. -EPERM and the like: this kernel's poller cannot.
long wait_pidfd(hub& h, int fd, nanos deadline, const char* reason) noexcept {
  core::fd_entry* e = h.fds.get(fd);
  return e == nullptr ? -ENOMEM : wait_fd(h, fd, *e, poller::in, deadline, reason);
}

long wait_by_pid(hub& h, int pid, nanos deadline, const char* reason) noexcept {
  const long fd = pidfd_of(pid);
  if (fd < 0) return fd;
  const long waited = wait_pidfd(h, static_cast<int>(fd), deadline, reason);
  forget_everywhere(h, static_cast<int>(fd));
  poller::close_own(static_cast<int>(fd));
  return waited;
}

// Any other wait: a waitid that takes nothing. Where nobody can make it, a pause.
long wait_elsewhere(hub& h, const wanted& w, growing_nap& pause, nanos deadline, const char* reason) noexcept {
  siginfo_t info;
  const offload_call call = call_of(SYS_waitid, w.kind, w.id, &info, w.options | WNOWAIT, nullptr);
  const long got = offload(h, call, deadline, reason, offload_kind::waits);
  if (is_ended(got)) return got;
  // ECHILD is for the caller's own look to find.
  return got == 0 || got == -ECHILD ? 0 : nap(h, pause.next(), deadline, reason);
}

// 0: look again; else an ended code.
long wait_change(hub& h, const wanted& w, growing_nap& pause, nanos deadline, const char* reason) noexcept {
  if ((w.options & ~exits_only) == 0 && w.kind == P_PID) {
    const long waited = wait_by_pid(h, w.id, deadline, reason);
    if (waited == 0 || is_ended(waited)) return waited;
    if (waited == -ESRCH) return 0;
  }
  return wait_elsewhere(h, w, pause, deadline, reason);
}

wanted as_waitid(int pid, int options) noexcept {
  const int rest = (options & (WUNTRACED | WCONTINUED | __WALL | __WCLONE)) | WEXITED;
  if (pid > 0) return {P_PID, pid, rest};
  if (pid == -1) return {P_ALL, 0, rest};
  return {P_PGID, -pid, rest};  // 0: the caller's own group
}

// What waitid(2) writes: all but the padding.
bool give(void* to, const siginfo_t& found) noexcept {
  struct {
    int signo, error, code, pad, pid;
    unsigned uid;
    int status, pad2;
  } words;
  if (!copy_in(&words, to, sizeof words)) return false;
  words.signo = found.si_pid != 0 ? SIGCHLD : 0;
  words.error = 0;
  words.code = found.si_code;
  words.pid = found.si_pid;
  words.uid = found.si_uid;
  words.status = found.si_status;
  return copy_out(to, &words, sizeof words);
}

}  // namespace

long wait4(hub& h, int pid, int* status, int options, void* usage) noexcept {
  const auto look = [&] { return sys::raw(SYS_wait4, pid, status, options | WNOHANG, usage); };
  long got = look();
  if (got != 0 || (options & WNOHANG) != 0) return got;
  const wanted w = as_waitid(pid, options);
  growing_nap pause;
  while (got == 0) {
    const long waited = wait_change(h, w, pause, never, "waitpid");
    if (waited != 0) return waited;
    got = look();
  }
  return got;
}

long waitid(hub& h, int kind, int id, void* info, int options, void* usage) noexcept {
  const wanted w{kind, id, options & ~WNOHANG};
  siginfo_t found;
  sys::fill(&found, 0, sizeof found);
  growing_nap pause;
  for (;;) {
    const long got = collect(w, &found, usage);
    // What there is to tell is written whatever comes of the call, as the kernel does.
    if (got != 0) return info == nullptr || give(info, found) ? got : -EFAULT;
    if (found.si_pid != 0 || (options & WNOHANG) != 0) break;
    if (kind == P_PIDFD) {
      const long flags = sys::raw(SYS_fcntl, id, F_GETFL);
      if (flags >= 0 && (flags & O_NONBLOCK) != 0) return -EAGAIN;
    }
    const wanted change{w.kind, w.id, w.options & ~WNOWAIT};
    const long waited = wait_change(h, change, pause, never, "waitid");
    if (waited != 0) return waited;
  }
  return info == nullptr || give(info, found) ? 0 : -EFAULT;
}

long wait_child(hub& h, int pid, nanos deadline, const char* reason) noexcept {
  const wanted w{P_PID, pid, WEXITED | __WALL};
  const wanted look{P_PID, pid, WEXITED | __WALL | WNOWAIT};
  growing_nap pause;
  for (;;) {
    siginfo_t info;
    if (const long got = collect(look, &info, nullptr); got != 0) return got;
    if (info.si_pid != 0) return 0;
    if (const long waited = wait_change(h, w, pause, deadline, reason); waited != 0) return waited;
  }
}

}  // namespace weft::io
