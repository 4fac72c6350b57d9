#include "io/offload_threads.hpp"

#include <cerrno>
#include <ctime>
#include <linux/futex.h>

#include "io/offload_worker.hpp"
#include "sys/features.hpp"

namespace weft::io {
namespace {

constexpr timespec idle_time{5, 0};

// Held for a few instructions at a time, by hubs and workers.
class short_lock {
public:
  void lock() noexcept {
    std::uint32_t free = 0;
    if (word_.compare_exchange(free, held)) return;
    while (word_.exchange(wanted) != 0) sys::raw(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, wanted, nullptr);
  }
  void unlock() noexcept {
    if (word_.exchange(0) == wanted) sys::raw(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1);
  }
  void reset() noexcept { word_.store_relaxed(0); }

private:
  static constexpr std::uint32_t held = 1, wanted = 2;
  sys::atomic<std::uint32_t> word_;
};

struct {
  short_lock lock;
  worker* idle = nullptr;             // the one used last first: it is warm
  offload_op* first_queued = nullptr;  // brief ones
  offload_op* last_queued = nullptr;
  std::uint32_t brief = 0, waiting = 0;  // being made
  std::uint32_t most_brief = 0;          // 0: not asked yet
  std::uint32_t generation = 0;
} pool;

// Raised by whoever changes credentials, a signal handler of libc's too: the pool follows at the next call.
sys::atomic<std::uint32_t> wanted_generation;

class locked {
public:
  locked() noexcept { pool.lock.lock(); }
  ~locked() { pool.lock.unlock(); }
  locked(const locked&) = delete;
  locked& operator=(const locked&) = delete;
};

// A worker made before the credentials changed: it ends as soon as it has done what was started before, too.
bool retired(const worker& w) noexcept { return w.generation != pool.generation; }

// All below up to `run`: under the lock.

void append(offload_op& op) noexcept {
  op.next_queued = nullptr;
  op.queued = true;
  (pool.last_queued != nullptr ? pool.last_queued->next_queued : pool.first_queued) = &op;
  pool.last_queued = &op;
}

offload_op* pop_queued() noexcept {
  offload_op* op = pool.first_queued;
  if (op == nullptr) return nullptr;
  pool.first_queued = op->next_queued;
  if (pool.first_queued == nullptr) pool.last_queued = nullptr;
  op->queued = false;
  return op;
}

bool unqueue(offload_op& op) noexcept {
  if (!op.queued) return false;
  offload_op* before = nullptr;
  for (offload_op* at = pool.first_queued; at != &op; at = at->next_queued) before = at;
  (before != nullptr ? before->next_queued : pool.first_queued) = op.next_queued;
  if (pool.last_queued == &op) pool.last_queued = before;
  op.queued = false;
  return true;
}

bool remove_idle(worker& w) noexcept {
  for (worker** at = &pool.idle; *at != nullptr; at = &(*at)->next_idle)
    if (*at == &w) {
      *at = w.next_idle;
      return true;
    }
  return false;
}

// Counts what is made now. Calls of retired workers are not counted.
void count(const worker& w, const offload_op& op, std::uint32_t change) noexcept {
  if (!retired(w)) (op.kind == offload_kind::brief ? pool.brief : pool.waiting) += change;
}

// A queued call for the worker, if it may take one.
bool take_queued(worker& w) noexcept {
  w.job = nullptr;
  if (pool.first_queued == nullptr) return false;
  if (retired(w) ? pool.first_queued->generation == pool.generation : pool.brief >= most_brief()) return false;
  w.job = pop_queued();
  w.job->taken_by = &w;
  count(w, *w.job, 1);
  return true;
}

void call_is_over(worker& w, offload_op& op) noexcept {
  count(w, op, -1u);
  op.taken_by = nullptr;
  w.cancel = 0;
}

// To an idle worker: null has it end.
void give(worker& w, offload_op* job) noexcept {
  w.job = job;
  __atomic_store_n(&w.given, 1, __ATOMIC_RELEASE);
  sys::raw(SYS_futex, &w.given, FUTEX_WAKE_PRIVATE, 1);
}

// Workers with earlier credentials take no new call.
void follow_credentials() noexcept {
  const std::uint32_t wanted = wanted_generation.load_acquire();
  if (wanted == pool.generation) return;
  pool.generation = wanted;
  pool.brief = pool.waiting = 0;
  while (worker* w = pool.idle) {
    pool.idle = w->next_idle;
    give(*w, nullptr);
  }
}

void tell_hub(offload_op& op, long result) noexcept {
  op.result = result;
  op.run = [](hub&, core::remote_node* n) noexcept {
    auto& over = *static_cast<offload_op*>(n);
    op_over(over, over.result);
  };
  hub& h = *op.home;
  auto& posting = op.state->posting;
  posting.add(1);
  core::hub_post(h, op);
  posting.sub(1);
}

// False when nobody had anything for the worker for a while.
bool wait_for_job(worker& w) noexcept {
  {
    const locked guard;
    if (take_queued(w)) return true;
    if (retired(w)) return false;
    w.given = 0;
    w.next_idle = pool.idle;
    pool.idle = &w;
  }
  while (__atomic_load_n(&w.given, __ATOMIC_ACQUIRE) == 0) {
    if (sys::raw(SYS_futex, &w.given, FUTEX_WAIT_PRIVATE, 0, &idle_time) != -ETIMEDOUT) continue;
    const locked guard;
    if (remove_idle(w)) return false;
  }
  return w.job != nullptr;
}

void run(worker& w) noexcept {
  do {
    while (offload_op* op = w.job) {
      long result;
      // A signal that is not for this call (the patcher's) may have interrupted it.
      do result = make_call(w, &op->call.nr);
      while (result == -EINTR && __atomic_load_n(&w.cancel, __ATOMIC_ACQUIRE) == 0);
      {
        const locked guard;
        call_is_over(w, *op);
        take_queued(w);
      }
      tell_hub(*op, result);
    }
  } while (wait_for_job(w));
  core::own_threads.sub(1);
}

}  // namespace

std::uint32_t most_brief() noexcept {
  if (pool.most_brief != 0) return pool.most_brief;
  std::uint32_t n = 0;
  if (const char* text = sys::env("WEFT_OFFLOAD_THREADS"))
    for (; *text >= '0' && *text <= '9' && n <= most_brief_threads; ++text) n = n * 10 + static_cast<std::uint32_t>(*text - '0');
  return pool.most_brief = n == 0 ? usual_brief_threads : n < most_brief_threads ? n : most_brief_threads;
}

static_assert(offsetof(offload_call, args) == sizeof(long));

bool start_by_thread(offload_op& op) noexcept {
  const locked guard;
  follow_credentials();
  op.generation = pool.generation;
  if (op.kind == offload_kind::brief && pool.brief >= most_brief()) {
    append(op);
    return true;
  }
  if (op.kind == offload_kind::waits && pool.waiting >= most_waiting) return false;
  worker* w = pool.idle;
  if (w != nullptr) {
    pool.idle = w->next_idle;
    give(*w, &op);
  } else {
    core::own_threads.add(1);
    w = start_worker(run, &op, pool.generation);
    if (w == nullptr) {
      core::own_threads.sub(1);
      if (op.kind != offload_kind::brief || pool.brief == 0) return false;
      append(op);  // one of the others will come to it
      return true;
    }
  }
  op.taken_by = w;
  count(*w, op, 1);
  return true;
}

void interrupt_thread(offload_op& op) noexcept {
  bool taken_back;
  {
    const locked guard;
    taken_back = unqueue(op);
    if (worker* w = op.taken_by) {
      __atomic_store_n(&w->cancel, 1, __ATOMIC_RELEASE);
      interrupt(*w);
    }
  }
  if (taken_back) op_over(op, -ECANCELED);
}

void retire_threads() noexcept { wanted_generation.add(1); }

void forget_threads() noexcept {
  pool.lock.reset();
  pool.idle = nullptr;
  pool.first_queued = pool.last_queued = nullptr;
  pool.brief = pool.waiting = 0;
  core::own_threads.store_relaxed(0);
}

}  // namespace weft::io
