// The watchdog's thread: looks at every hub a few times within the limit, and tells of those that stand still. It has no hub, blocks
// all signals, and makes its own waits by raw system calls.
#include "weft/watchdog.hpp"

#include <algorithm>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <linux/futex.h>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "core/hub_state.hpp"
#include "core/redirected.hpp"
#include "core/stall_probe.hpp"
#include "sys/clock.hpp"
#include "sys/features.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::core {
namespace {

struct watch {
  std::mutex calling;                                    // held while the handler runs; before `lock`
  std::mutex lock;
  nanos limit = 0;                                       // 0: the thread is to end
  std::function<void(const stall&)> handler;
  std::atomic<std::thread::id> thread{};                 // whom a handler that calls watchdog() runs in
  int process = 0;                                       // whose thread runs; another one's after a fork
  std::uint32_t changed = 0;                             // futex word: settings
  std::uint32_t started = 0;                             // futex word: threads that have begun to run
};
// Never destroyed: the thread may outlive main.
watch& state() {
  static watch& only = *new watch;
  return only;
}

struct report {
  stall what;
  std::string fiber, text;
};

std::string milliseconds(nanos n) { return std::to_string(n / 1'000'000) + " ms"; }

report tell_stall(hub& h, int tid, std::uint64_t progress, nanos lasted) {
  report r{};
  // Asked several times: a thread may pass through short calls while it computes.
  long nr = waiting_in(tid);
  for (int again = 0; again < 2 && nr >= 0; ++again)
    if (waiting_in(tid) != nr) nr = -1;
  const probe_answer a = probe(h, tid, progress, lasted);
  r.fiber = a.name;
  r.text = "weft: the hub of thread " + std::to_string(tid) + " has not turned for " + milliseconds(lasted) + ": ";
  if (a.fiber != nullptr) {
    char address[32];
    std::snprintf(address, sizeof address, "fiber %p", a.fiber);
    r.text += address;
    if (a.name[0] != 0) r.text.append(" \"").append(a.name).append("\"");
  } else {
    r.text += "a fiber";
  }
  const char* name = system_call_name(nr);
  if (nr >= 0)
    r.text.append(" waits in the system call ").append(name != nullptr ? name : "number").append(" (" + std::to_string(nr) + ")\n");
  else
    r.text += " computes\n";
  if (nr >= 0 && !calls_redirected) r.text += "    (weft::patch_all() was not called: such calls hold up every fiber of the thread)\n";
  if (a.site != nullptr) r.text.append("    spawned at ").append(symbol(a.site)).append("\n");
  append_frames(a.trace, r.text, a.first);
  if (!a.answered) r.text += "    (no backtrace: the thread does not answer signals)\n";
  r.what = {false, tid, std::chrono::nanoseconds(lasted), {}, static_cast<int>(nr), nr >= 0 && name != nullptr ? name : "", {}};
  return r;
}

report tell_end(int tid, nanos lasted) {
  report r{};
  r.text = "weft: the hub of thread " + std::to_string(tid) + " has turned again, after " + milliseconds(lasted) + "\n";
  r.what = {true, tid, std::chrono::nanoseconds(lasted), {}, -1, {}, {}};
  return r;
}

// Somebody but main waits for the hub's turn. A racy look, which is enough: the next one is soon.
bool anyone_waits(const hub& h) noexcept {
  return __atomic_load_n(&h.live, __ATOMIC_RELAXED) > 1 || __atomic_load_n(&h.ready_first, __ATOMIC_RELAXED) != nullptr ||
         !h.inbox.quick_empty();
}

void look_at(hub& h, nanos now, nanos limit, nanos overslept, std::vector<report>& reports) {
  watch_mark& m = h.watched;
  const std::uint64_t progress = progress_of(h);
  const bool still = m.since != 0 && progress == m.progress && h.sleeping.load_relaxed() == 0 && (m.reported || anyone_waits(h));
  if (!still) {
    if (m.reported) reports.push_back(tell_end(static_cast<int>(h.thread), now - m.since));
    m = {progress, now, false};
    return;
  }
  // The machine, not the hub, stood still: a suspended process, a debugger, no CPU for this thread either.
  m.since += overslept;
  if (m.reported || now - m.since < limit) return;
  m.reported = true;
  reports.push_back(tell_stall(h, static_cast<int>(h.thread), progress, now - m.since));
}

void deliver(std::vector<report>& reports, const std::function<void(const stall&)>& handler, std::uint32_t settings) {
  watch& w = state();
  const std::lock_guard guard(w.calling);
  // Somebody else's handler by now: what was seen under the old settings is not told.
  if (__atomic_load_n(&w.changed, __ATOMIC_ACQUIRE) != settings) reports.clear();
  for (report& r : reports) {
    r.what.fiber = r.fiber;
    r.what.text = r.text;
    if (handler) {
      handler(r.what);
      continue;
    }
    for (std::size_t at = 0; at < r.text.size();) {
      const long n = sys::raw(SYS_write, 2, r.text.data() + at, r.text.size() - at);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
  }
  reports.clear();
}

void run() noexcept {
  watch& w = state();
  w.thread = std::this_thread::get_id();
  __atomic_add_fetch(&w.started, 1, __ATOMIC_RELEASE);
  sys::raw(SYS_futex, &w.started, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
  std::vector<report> reports;
  std::function<void(const stall&)> handler;
  nanos before = sys::monotonic_ns(), now = before, limit = 0, overslept = 0;
  const auto look = [&](hub& h) { look_at(h, now, limit, overslept, reports); };
  for (;;) {
    const std::uint32_t seen = __atomic_load_n(&w.changed, __ATOMIC_ACQUIRE);
    {
      const std::lock_guard guard(w.lock);
      limit = w.limit;
      handler = w.handler;
      if (limit == 0) {
        w.process = 0;
        own_threads.sub(1);
        return;
      }
    }
    const nanos pause = std::max<nanos>(limit / 4, 1'000'000);
    const timespec t = sys::to_timespec(pause);
    sys::raw(SYS_futex, &w.changed, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seen, &t);
    now = sys::monotonic_ns();
    overslept = now - before > 2 * pause ? now - before - pause : 0;
    before = now;
    // Allocates nothing but for a report, and then under the registry's lock, which fork(2) takes.
    for_each_hub(std::ref(look));
    if (!reports.empty()) deliver(reports, handler, seen);
    before = sys::monotonic_ns();  // a slow handler is no sleep
  }
}

// Returns when the thread runs. While it comes up it takes locks that are not the program's to know: a fork at that moment would
// leave the child with AddressSanitizer's allocator locked for good (seen with gcc 12, whose run-time does not take it over a fork).
void start_thread() {
  watch& w = state();
  const std::uint32_t before = __atomic_load_n(&w.started, __ATOMIC_ACQUIRE);
  sigset_t all, mask;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &mask);  // the new thread inherits it: no handler of the program runs there
  try {
    std::thread(run).detach();
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  while (__atomic_load_n(&w.started, __ATOMIC_ACQUIRE) == before)
    sys::raw(SYS_futex, &w.started, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, before, nullptr);
}

}  // namespace

void watch_from_environment() noexcept {
  static std::atomic<bool> asked{false};
  if (asked.exchange(true)) return;
  const char* text = sys::env("WEFT_WATCHDOG");
  if (const unsigned long ms = text != nullptr ? std::strtoul(text, nullptr, 10) : 0) try {
      watchdog(std::chrono::milliseconds(ms));
    } catch (...) {
      sys::report() << "WEFT_WATCHDOG: no thread for it, nothing is watched.\n";
    }
}

void forget_watchdog() noexcept {
  watch& w = state();
  if (w.process == 0) return;
  new (&w.calling) std::mutex;  // the thread, which the child does not have, may have held them
  new (&w.lock) std::mutex;
  w.thread = std::thread::id();
  w.process = 0;
}

}  // namespace weft::core

namespace weft {

void watchdog(std::chrono::nanoseconds limit, std::function<void(const stall&)> handler) {
  core::watch& w = core::state();
  core::prepare_probe();
  std::unique_lock calling(w.calling, std::defer_lock);
  if (w.thread.load() != std::this_thread::get_id()) calling.lock();
  const std::lock_guard guard(w.lock);
  w.limit = limit.count() > 0 ? static_cast<detail::nanos>(limit.count()) : 0;
  w.handler = std::move(handler);
  __atomic_add_fetch(&w.changed, 1, __ATOMIC_RELEASE);
  sys::raw(SYS_futex, &w.changed, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);
  if (w.limit == 0 || w.process == getpid()) return;
  core::start_thread();
  core::own_threads.add(1);
  w.process = getpid();
}

}  // namespace weft
