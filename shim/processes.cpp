// Wrappers of what makes processes. fork's child gets its own poller by pthread_atfork (src/io/after_fork.cpp), whichever door is open.
#include <pthread.h>
#include <spawn.h>

#include <cerrno>
#include <csignal>

#include "wrappers.hpp"

extern char** environ;

namespace weft::shim {

namespace {

constexpr cancellation none = cancellation::none;

// While commands run, SIGINT and SIGQUIT are ignored by the process and SIGCHLD is blocked in the caller (system(3)). Several may run.
pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
int running = 0;
struct sigaction before_interrupt, before_quit;

void begin_command() {
  pthread_mutex_lock(&counting);
  if (running++ == 0) {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGINT, &ignore, &before_interrupt);
    sigaction(SIGQUIT, &ignore, &before_quit);
  }
  pthread_mutex_unlock(&counting);
}

void end_command() {
  pthread_mutex_lock(&counting);
  if (--running == 0) {
    sigaction(SIGINT, &before_interrupt, nullptr);
    sigaction(SIGQUIT, &before_quit, nullptr);
  }
  pthread_mutex_unlock(&counting);
}

// `mask`: the signals blocked before. 0 or an error.
int start_shell(pid_t& pid, const char* command, const sigset_t& mask) {
  posix_spawnattr_t how;
  posix_spawnattr_init(&how);
  sigset_t defaults;
  sigemptyset(&defaults);
  if (before_interrupt.sa_handler != SIG_IGN) sigaddset(&defaults, SIGINT);
  if (before_quit.sa_handler != SIG_IGN) sigaddset(&defaults, SIGQUIT);
  posix_spawnattr_setsigmask(&how, &mask);
  posix_spawnattr_setsigdefault(&how, &defaults);
  posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  const char* words[] = {"sh", "-c", command, nullptr};
  const int error = posix_spawn(&pid, "/bin/sh", nullptr, &how, const_cast<char* const*>(words), environ);
  posix_spawnattr_destroy(&how);
  return error;
}

}  // namespace

// libc's own would wait for the shell inside itself, where no wrapper is. SIGCHLD stays open to the thread's other fibers: blocking it
// would be theirs too.
int call_system(const char* command) {
  static next_function next_system{"system"};
  if (command == nullptr || handler_of(SYS_wait4) == nullptr) return reinterpret_cast<decltype(&call_system)>(next_system.get())(command);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  begin_command();
  pid_t pid;
  int status = -1;
  const int error = start_shell(pid, command, mask);
  int wait_error = 0;
  if (error == 0) {
    pid_t ended;
    do ended = call_waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended < 0) wait_error = errno, status = -1;
  } else {
    status = 127 << 8;  // as if the shell had not been there
  }
  end_command();
  if (error != 0) errno = error;
  if (wait_error != 0) errno = wait_error;
  return status;
}

pid_t call_fork() {
  static next_function next_fork{"fork"};
  // Parent and child share open files from now on; the handler of dup notes the same.
  long result;
  answered<none>(SYS_dup, result, -1);
  return reinterpret_cast<decltype(&call_fork)>(next_fork.get())();
}

// The handler sees what kind of child it will be, and always lets libc make it: it begins on a stack of its own.
int call_clone(int (*run)(void*), void* stack, int flags, void* argument, void* a, void* b, void* c) {
  static next_function next_clone{"clone"};
  long result;
  answered<none>(SYS_clone, result, static_cast<long>(flags), stack);
  return reinterpret_cast<decltype(&call_clone)>(next_clone.get())(run, stack, flags, argument, a, b, c);
}

// For entry.S, which jumps where these say.

extern "C" __attribute__((visibility("hidden"))) void* weft_shim_before_vfork() {
  static next_function next_vfork{"vfork"};
  long result;
  answered<none>(SYS_vfork, result);
  return next_vfork.get();
}

// `frame`: the six words and the number that syscall(2) was called with.
extern "C" __attribute__((visibility("hidden"))) patch::verdict weft_shim_syscall(patch::call_frame* frame) {
  static next_function next_syscall{"syscall"};
  const long nr = frame->nr;
  // libc unmaps memory inside itself, where no wrapper sees it: what Weft remembers of mappings may be wrong by now.
  long unused;
  if (nr == SYS_futex || nr == SYS_futex_waitv) answered<none>(SYS_munmap, unused);
  if (nr >= 0 && nr < patch::handler_count)
    if (const patch::handler h = handler_of(nr); h != nullptr) {
      const patch::verdict v = h(frame, nr);
      if (v.pass == 0) return {posix(v.result), 0};
    }
  return {reinterpret_cast<long>(next_syscall.get()), 1};
}

}  // namespace weft::shim
