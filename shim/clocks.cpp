// What libc answers in the vDSO, and a green thread needs another answer to: clock_gettime and clock_getres for the CPU time of one
// thread, and the processor on which one runs that chose its processors. The vDSO's own system call is no site of Weft's (policy.cpp);
// the same call by libc's `syscall` is. Every other clock is libc's.
#include <ctime>
#include <sys/syscall.h>
#include <unistd.h>

#include "green/affinity.hpp"
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

namespace {
bool affinity_kept() { return __atomic_load_n(&weft_green_affinity_kept, __ATOMIC_ACQUIRE) != 0; }
}  // namespace

int call_sched_getcpu() WEFT_SYMBOL(sched_getcpu);
int call_sched_getcpu() {
  unsigned processor = 0;
  if (affinity_kept()) return syscall(SYS_getcpu, &processor, nullptr, nullptr) == 0 ? static_cast<int>(processor) : -1;
  static next_function next{"sched_getcpu"};
  return reinterpret_cast<int (*)()>(next.get())();
}

int call_getcpu(unsigned* processor, unsigned* node) WEFT_SYMBOL(getcpu);
int call_getcpu(unsigned* processor, unsigned* node) {
  if (affinity_kept()) return static_cast<int>(syscall(SYS_getcpu, processor, node, nullptr));
  static next_function next{"getcpu"};
  return reinterpret_cast<int (*)(unsigned*, unsigned*)>(next.get())(processor, node);
}

}  // namespace weft::shim
