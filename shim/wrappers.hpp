// The wrapped functions as C++ sees them: call_read is the symbol `read`, so that no declaration of a libc header can disagree, and
// fortified inline functions do not get in the way.
#pragma once

#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>

#include "next.hpp"
#include "through.hpp"

#define WEFT_SYMBOL(name) __asm__(#name) __attribute__((visibility("default")))

namespace weft::shim {

inline constexpr long kernel_mask_size = 8;

// Whether open(2) reads its third argument.
inline bool wants_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

#define CALL(result, name, is, number, parameters, arguments, words) result call_##name parameters WEFT_SYMBOL(name);
#define ALIAS(other, name)
#define CHECKED(result, name, parameters, fits, checked, checked_arguments, arguments) \
  result call_##name parameters WEFT_SYMBOL(name);
#define OTHER(name, number)

// composed.cpp
int call_ppoll(pollfd* fds, nfds_t n, const timespec* limit, const sigset_t* mask) WEFT_SYMBOL(ppoll);
int call_pselect(int n, fd_set* in, fd_set* out, fd_set* ex, const timespec* limit, const sigset_t* mask) WEFT_SYMBOL(pselect);
int call_clock_nanosleep(int clock, int flags, const timespec* time, timespec* left) WEFT_SYMBOL(clock_nanosleep);
int call_thrd_sleep(const timespec* time, timespec* left) WEFT_SYMBOL(thrd_sleep);
unsigned call_sleep(unsigned seconds) WEFT_SYMBOL(sleep);
int call_usleep(unsigned microseconds) WEFT_SYMBOL(usleep);
void call_closefrom(int first) WEFT_SYMBOL(closefrom);
int call_tcdrain(int fd) WEFT_SYMBOL(tcdrain);
int call_open64(const char* path, int flags, unsigned mode) WEFT_SYMBOL(open64);
int call_openat64(int at, const char* path, int flags, unsigned mode) WEFT_SYMBOL(openat64);
void call_sync() WEFT_SYMBOL(sync);
int call_lockf64(int fd, int what, off_t n) WEFT_SYMBOL(lockf64);
int call_sigtimedwait(const sigset_t* set, siginfo_t* info, const timespec* limit) WEFT_SYMBOL(sigtimedwait);
int call_sigwaitinfo(const sigset_t* set, siginfo_t* info) WEFT_SYMBOL(sigwaitinfo);
int call_sigwait(const sigset_t* set, int* signal) WEFT_SYMBOL(sigwait);
int call_fchmodat(int at, const char* path, mode_t mode, int flags) WEFT_SYMBOL(fchmodat);
int call_posix_fadvise64(int fd, off_t at, off_t n, int advice) WEFT_SYMBOL(posix_fadvise64);
int call_posix_fallocate64(int fd, off_t at, off_t n) WEFT_SYMBOL(posix_fallocate64);
void* call_mmap64(void* at, size_t n, int rights, int flags, int fd, off_t from) WEFT_SYMBOL(mmap64);
void* call_mremap(void* at, size_t n, size_t wanted, int flags, void* to) WEFT_SYMBOL(mremap);
// signals.cpp
int call_sigaction(int number, const struct sigaction* wanted, struct sigaction* before) WEFT_SYMBOL(sigaction);
using signal_handler = void (*)(int);
signal_handler call_signal(int number, signal_handler handler) WEFT_SYMBOL(signal);
signal_handler call_sysv_signal(int number, signal_handler handler) WEFT_SYMBOL(sysv_signal);
int call_siginterrupt(int number, int on) WEFT_SYMBOL(siginterrupt);
// processes.cpp
int call_system(const char* command) WEFT_SYMBOL(system);
pid_t call_fork() WEFT_SYMBOL(fork);
int call_clone(int (*run)(void*), void* stack, int flags, void* argument, void* a, void* b, void* c) WEFT_SYMBOL(clone);

#include "functions.def"

#undef CALL
#undef ALIAS
#undef CHECKED
#undef OTHER

}  // namespace weft::shim
