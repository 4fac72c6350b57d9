// Threads that are older than Weft: libweft.so was brought in by dlopen, or another library started threads before it.
//
// Every thread's GS base must point at a block before any of Weft's inline functions runs on it (core/attach.cpp). New threads
// inherit their creator's, old ones have none: each is stopped for a moment and given the empty block by the handler.
#include <signal.h>

#include "patch/stop_threads.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

// libc's word that no thread was ever started (glibc 2.32); without it the list of threads tells.
extern "C" [[gnu::weak]] char __libc_single_threaded;
// Its own thread blocks every signal, and makes no call of Weft's.
extern "C" [[gnu::weak]] void __tsan_init();

namespace weft::patch {
namespace {

constexpr std::uint64_t patience_ns = 2'000'000'000;

[[gnu::constructor(102)]] void reach_older_threads() {
  if ((&__libc_single_threaded != nullptr && __libc_single_threaded != 0) || __tsan_init != nullptr) return;
  thread_stop stop;
  const unsigned long all = ~0ul;
  unsigned long before = 0;
  sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, 8);
  const stop_outcome outcome = stop.stop(patience_ns, nullptr, 0, nullptr, 0);
  stop.resume(true);
  sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, 8);
  if (outcome == stop_outcome::no_answer)
    sys::report() << "thread " << stop.silent_thread() << " is older than libweft.so and blocks all signals: it must not call Weft\n";
  else if (outcome != stop_outcome::stopped)
    sys::report() << "the threads that are older than libweft.so cannot be listed: they must not call Weft\n";
}

}  // namespace
}  // namespace weft::patch
