#include "trace/ends.hpp"

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include "core/overflow.hpp"
#include "core/trace.hpp"
#include "green/end.hpp"
#include "patch/dispatch.hpp"
#include "sys/atomic.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"
#include "trace/json.hpp"

namespace weft::trace {
namespace {

using core::trace::current;

sys::atomic<bool> finished;

// This process has recorded something.
bool something_to_write() noexcept {
  return current.map != nullptr && core::trace::owner() == sys::raw(SYS_getpid) && has_events(current.map);
}

long write_now(const char* ended_by) noexcept {
  core::trace::note_clocks();
  const long fd = sys::raw(SYS_openat, AT_FDCWD, &current.path[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
  if (fd < 0) return fd;
  const long error = write_json(current.map, static_cast<int>(fd), ended_by);
  sys::raw(SYS_close, fd);
  return error;
}

void remove_raw() noexcept {
  if (current.raw[0] != 0) sys::raw(SYS_unlinkat, AT_FDCWD, &current.raw[0], 0);
}

void tell_failure(long error) noexcept {
  sys::report out;
  out << current.path << ": the trace could not be written (error " << -error << ")";
  if (current.raw[0] != 0) out << ": `weft trace " << current.raw << "` makes it";
  out << "\n";
}

// ---- _exit and exec, in front of whatever handles them

patch::handler below_exit = nullptr, below_exec = nullptr, below_execat = nullptr;

patch::verdict on_exit_group(patch::call_frame* frame, long nr) {
  finish("exit");
  return below_exit != nullptr ? below_exit(frame, nr) : patch::verdict{0, 1};
}

bool can_be_executed(const patch::call_frame* f, long nr) noexcept {
  constexpr long effective = AT_EACCESS;
  if (nr == SYS_execve) return sys::raw(SYS_faccessat2, AT_FDCWD, f->rdi, X_OK, effective) == 0;
  return sys::raw(SYS_faccessat2, f->rdi, f->rsi, X_OK, effective | (f->r8 & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))) == 0;
}

// What was recorded goes with the memory. The next program of the process finds the file taken, and makes another one.
patch::verdict on_exec(patch::call_frame* frame, long nr) {
  if (core::trace::on() && something_to_write() && can_be_executed(frame, nr)) {
    if (const long error = write_now("exec"); error != 0)
      tell_failure(error);
    else
      remove_raw();
  }
  const patch::handler below = nr == SYS_execve ? below_exec : below_execat;
  return below != nullptr ? below(frame, nr) : patch::verdict{0, 1};
}

void stand_before(long nr, patch::handler mine, patch::handler& below) noexcept {
  if (patch::handlers[nr] == mine) return;
  below = patch::handlers[nr];
  patch::set_handler(nr, mine);
}

void put_handlers() noexcept {
  stand_before(SYS_exit_group, on_exit_group, below_exit);
  stand_before(SYS_execve, on_exec, below_exec);
  stand_before(SYS_execveat, on_exec, below_execat);
}

// ---- signals

void (*green_before)() noexcept = nullptr;

void before_green_exit() noexcept {
  if (green_before != nullptr) green_before();
  finish("exit or signal");
}

struct kernel_action {
  const void* handler;
  std::uint64_t flags;
  const void* restorer;
  std::uint64_t mask;
};

void put_number(char* to, int n) noexcept {
  if (n >= 10) *to++ = static_cast<char>('0' + n / 10);
  *to++ = static_cast<char>('0' + n % 10);
  *to = 0;
}

void finish_by_signal(int number) noexcept {
  char what[16] = "signal ";
  put_number(what + 7, number);
  finish(what);
}

}  // namespace

// A signal for which the program has no handler.
void on_deadly(int number, siginfo_t* info, void*) {
  finish_by_signal(number);
  const kernel_action usual{};
  sys::raw(SYS_rt_sigaction, number, &usual, nullptr, 8);
  if (info->si_code > 0 && number != SIGIO) return;  // a fault recurs by itself
  const long process = sys::raw(SYS_getpid), me = sys::raw(SYS_gettid);
  if (sys::raw(SYS_rt_tgsigqueueinfo, process, me, number, info) != 0) sys::raw(SYS_tgkill, process, me, number);
}

void begun() noexcept { finished.store_seq_cst(false); }

long finish(const char* ended_by) noexcept {
  if (!core::trace::on()) return 0;
  if (!something_to_write()) return 0;
  if (finished.exchange(true)) return 0;
  core::trace::stop();
  const long error = write_now(ended_by);
  if (error != 0)
    tell_failure(error);
  else
    remove_raw();
  return error;
}

void watch_ends() noexcept {
  patch::last_handlers = put_handlers;
  core::before_death = [](int number) noexcept { finish_by_signal(number); };
  if (green::before_exit != before_green_exit) {
    green_before = green::before_exit;
    green::before_exit = before_green_exit;
  }
}

}  // namespace weft::trace
