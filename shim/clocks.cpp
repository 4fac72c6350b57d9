// clock_gettime and clock_getres for the CPU time of one thread. libc answers them in the vDSO, whose own system call is no site of
// Weft's (policy.cpp); the same call by libc's `syscall` is. Every other clock is libc's.
#include <ctime>
#include <sys/syscall.h>
#include <unistd.h>

#include "next.hpp"
#include "wrappers.hpp"

namespace weft::shim {
namespace {

// CLOCK_THREAD_CPUTIME_ID, and those that pthread_getcpuclockid makes.
bool of_thread(clockid_t clock) { return clock == CLOCK_THREAD_CPUTIME_ID || (clock < 0 && (clock & 4) != 0); }

}  // namespace

using clock_call = int (*)(clockid_t, timespec*);

int call_clock_gettime(clockid_t clock, timespec* t) WEFT_SYMBOL(clock_gettime);
int call_clock_gettime(clockid_t clock, timespec* t) {
  if (of_thread(clock)) [[unlikely]]
    return static_cast<int>(syscall(SYS_clock_gettime, clock, t));
  static next_function next{"clock_gettime"};
  return reinterpret_cast<clock_call>(next.get())(clock, t);
}

int call_clock_getres(clockid_t clock, timespec* t) WEFT_SYMBOL(clock_getres);
int call_clock_getres(clockid_t clock, timespec* t) {
  if (of_thread(clock)) return static_cast<int>(syscall(SYS_clock_getres, clock, t));
  static next_function next{"clock_getres"};
  return reinterpret_cast<clock_call>(next.get())(clock, t);
}

}  // namespace weft::shim
