// The pool's threads and queue. A job comes back to its hub through the hub's inbox, as a node that was allocated with the job, so
// that nothing can fail on the way back; a hub that has ended meanwhile gets nothing.
#include "weft/thread_pool.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "core/hub_state.hpp"
#include "sync/pool_thread.hpp"

namespace weft {
namespace {

using detail::hub;
using detail::hub_state;
using detail::pool_job;

// Signals are for the program's own threads: the creator blocks all of them while the new thread inherits its mask.
class signals_blocked {
public:
  signals_blocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old_);
  }
  ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }

private:
  sigset_t old_;
};

// Something that a thread of the pool tells a hub. From its making until the hub has heard it, the hub knows that it may be woken
// from outside (deadlock report, virtual clock).
struct message : core::remote_node {
  explicit message(hub& h) noexcept : to(hub_state::of(h)) {
    to.retain();
    h.external.add(1);
  }
  virtual ~message() {
    if (counted) {
      const std::lock_guard guard(to.lock);
      if (to.home != nullptr) to.home->external.sub(1);
    }
    to.release();
  }
  virtual void heard() noexcept = 0;

  static void send(std::unique_ptr<message> m) noexcept {
    m->run = [](hub& h, core::remote_node* n) noexcept {
      const std::unique_ptr<message> mine(static_cast<message*>(n));
      h.external.sub(1);
      mine->counted = false;
      mine->heard();
    };
    hub_state& to = m->to;
    to.retain();  // the hub may hear and destroy the message while this thread still holds the lock
    {
      const std::lock_guard guard(to.lock);
      if (to.home != nullptr) core::hub_post(*to.home, *m.release());
    }
    m.reset();
    to.release();
  }

  hub_state& to;
  bool counted = true;
};

struct job_message final : message {
  explicit job_message(std::shared_ptr<pool_job> j) noexcept : message(*j->home), job(std::move(j)) {}
  void heard() noexcept override {
    job->done = true;
    job->waiters.notify_all();
    if (job.use_count() > 1) return;
    // Nobody wants the result: the user's destructor runs in a fiber, not in the hub's own time.
    try {
      weft::spawn([last = std::move(job)] {});
    } catch (const out_of_stacks&) {
    }
  }
  std::shared_ptr<pool_job> job;
};

// All threads have left. Whoever waits for that empties `sleeper` when it stops waiting.
struct end_message final : message {
  end_message(hub& h, std::shared_ptr<detail::waiter*> s) noexcept : message(h), sleeper(std::move(s)) {}
  void heard() noexcept override {
    if (*sleeper != nullptr) detail::unpark(**sleeper);
  }
  std::shared_ptr<detail::waiter*> sleeper;
};

}  // namespace

namespace detail {

struct pool_core {
  explicit pool_core(std::size_t most) noexcept : limit(most) {}

  void work_loop();
  void start_thread();

  const std::size_t limit;
  std::mutex lock;
  std::condition_variable work;
  std::deque<std::unique_ptr<job_message>> queue;
  std::vector<std::thread> threads;
  std::size_t idle = 0;
  std::size_t running = 0;                 // threads that have not left work_loop
  bool closing = false;
  std::unique_ptr<message> when_all_left;  // sent by the last thread
};

void pool_core::work_loop() {
  std::unique_lock guard(lock);
  for (;;) {
    ++idle;
    work.wait(guard, [&] { return closing || !queue.empty(); });
    --idle;
    if (queue.empty()) break;
    auto m = std::move(queue.front());
    queue.pop_front();
    guard.unlock();
    auto queued = pool_job::stage::queued;
    if (m->job->at.compare_exchange_strong(queued, pool_job::stage::taken)) {
      waits_for_job() = m->job->home;
      m->job->run();
      waits_for_job() = nullptr;
    } else {
      m->job->drop();
    }
    message::send(std::move(m));
    guard.lock();
  }
  if (--running == 0 && when_all_left != nullptr) message::send(std::move(when_all_left));
}

// Under the lock.
void pool_core::start_thread() {
  const signals_blocked while_starting;
  threads.reserve(threads.size() + 1);
  threads.emplace_back([this] { work_loop(); });
  ++running;
}

hub*& waits_for_job() noexcept {
  static thread_local hub* home = nullptr;
  return home;
}

pool_job::~pool_job() = default;

void wait_for_job(pool_job& job) {
  hub& h = on_home(job.home, "thread_pool job");
  check_cancelled(h);
  if (job.done) return;
  waiter w("thread_pool.apply");
  job.waiters.push_back(w);
  wait_on(h, w);
}

}  // namespace detail

thread_pool::thread_pool(std::size_t threads)
    : core_(new detail::pool_core(threads != 0 ? threads : std::min<std::size_t>(32, std::thread::hardware_concurrency() + 4))) {}

thread_pool::~thread_pool() {
  hub* h = detail::try_hub();
  bool wait = false;
  detail::waiter w("thread_pool.end");
  w.uncancellable = true;
  const auto sleeper = std::make_shared<detail::waiter*>(&w);
  {
    const std::lock_guard guard(core_->lock);
    core_->closing = true;
    if (h != nullptr && core_->running != 0) {
      core_->when_all_left = std::make_unique<end_message>(*h, sleeper);
      wait = true;
    }
  }
  core_->work.notify_all();
  if (wait) detail::park(*h, w);
  *sleeper = nullptr;
  for (std::thread& t : core_->threads) t.join();
  delete core_;
}

void thread_pool::submit(std::shared_ptr<detail::pool_job> job) {
  auto m = std::make_unique<job_message>(std::move(job));
  {
    const std::lock_guard guard(core_->lock);
    core_->queue.push_back(std::move(m));
    if (core_->queue.size() > core_->idle && core_->running < core_->limit) {
      try {
        core_->start_thread();
      } catch (...) {
        // With no thread at all nobody would ever take it; else it waits its turn.
        if (core_->running == 0) {
          core_->queue.pop_back();
          throw;
        }
      }
    }
  }
  core_->work.notify_one();
}

std::size_t thread_pool::size() const noexcept { return core_->limit; }

std::size_t thread_pool::threads() const noexcept {
  const std::lock_guard guard(core_->lock);
  return core_->running;
}

thread_pool& default_thread_pool() {
  static thread_pool* const pool = new thread_pool;
  return *pool;
}

}  // namespace weft
