// OS threads for calls that would block the hub: computation, or libraries that know no fibers (gevent's ThreadPool, asyncio's
// run_in_executor).
//
// Any hub may use a pool. The function and its arguments are copied or moved to the job, run on a thread of the pool with all
// signals blocked, and destroyed there; what it returns or throws comes back to the fiber that waits.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "weft/detail/run_here.hpp"
#include "weft/detail/sync.hpp"
#include "weft/fiber.hpp"

namespace weft {

namespace detail {

struct pool_core;  // src/sync/thread_pool.cpp

// A call on its way to a pool's thread and back, shared by whoever waits, the queue and the thread.
struct WEFT_API pool_job {
  enum class stage : int {
    queued,     // no thread has it yet
    taken,      // a thread runs it, or has
    abandoned,  // nobody waits any more, and no thread had it: it is dropped
  };
  pool_job() : home(&current_hub()) {}
  virtual ~pool_job();
  // On a thread of the pool.
  virtual void run() noexcept = 0;
  // Destroys the call unrun, on a thread of the pool.
  virtual void drop() noexcept = 0;

  hub* home;
  waiting_list waiters;
  bool done = false;  // on the home hub: the result is there
  std::atomic<stage> at{stage::queued};
  std::exception_ptr failure;
};

template <class R, class F, class... Args>
struct pool_job_of final : pool_job {
  template <class... A>
  explicit pool_job_of(A&&... a) : body(std::in_place, std::forward<A>(a)...) {}
  void run() noexcept override {
    try {
      const auto call = [](F& fn, Args&... args) -> R { return std::invoke(std::move(fn), std::move(args)...); };
      if constexpr (std::is_void_v<R>)
        std::apply(call, *body);
      else if constexpr (std::is_reference_v<R>)
        result = std::addressof(std::apply(call, *body));
      else
        result.emplace(std::apply(call, *body));
    } catch (...) {
      failure = std::current_exception();
    }
    drop();
  }
  void drop() noexcept override { body.reset(); }
  R take() {
    if (failure != nullptr) std::rethrow_exception(std::exchange(failure, nullptr));
    if constexpr (std::is_reference_v<R>)
      return static_cast<R>(*result);
    else if constexpr (!std::is_void_v<R>)
      return std::move(*result);
  }

  std::optional<std::tuple<F, Args...>> body;
  using slot = std::conditional_t<std::is_void_v<R>, char,
                                  std::conditional_t<std::is_reference_v<R>, std::remove_reference_t<R>*, std::optional<R>>>;
  slot result{};
};

// Parks until the job is done.
WEFT_API void wait_for_job(pool_job& job);

// The right to the job's result. Giving it up unused abandons the job.
template <class Job>
struct pool_ticket {
  explicit pool_ticket(std::shared_ptr<Job> j) noexcept : job(std::move(j)) {}
  pool_ticket(pool_ticket&&) noexcept = default;
  pool_ticket& operator=(pool_ticket&&) = delete;
  ~pool_ticket() {
    if (job == nullptr || job->done) return;
    auto queued = pool_job::stage::queued;
    job->at.compare_exchange_strong(queued, pool_job::stage::abandoned);
  }
  decltype(auto) wait() {
    wait_for_job(*job);
    return job->take();
  }
  std::shared_ptr<Job> job;
};

}  // namespace detail

class WEFT_API thread_pool {
public:
  // At most `threads` OS threads, each started when a job finds no idle one; 0: as many as Python's executor (CPUs + 4, at most 32).
  explicit thread_pool(std::size_t threads = 0);
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  // Lets the jobs that were handed in end, then ends the threads. Parks the calling fiber meanwhile, and its cancellation waits; on an
  // OS thread without a hub it blocks.
  ~thread_pool();

  // Runs fn(args...) on a thread of the pool, parks until it is over, and returns its result or throws what it threw. Throws
  // cancelled when the fiber is cancelled: a job that no thread has begun is dropped, one that runs goes on unheard. Throws
  // std::system_error when no thread can be started, wrong_hub never: any hub may ask.
  template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...> apply(F&& fn, Args&&... args) {
    return static_cast<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>(
        start(std::forward<F>(fn), std::forward<Args>(args)...).wait());
  }

  // Hands fn(args...) in and returns a fiber that waits for it: join, get, cancel and joinall work on it. Never parks.
  template <class F, class... Args>
    requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto spawn(F&& fn, Args&&... args) {
    using result = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;
    return weft::spawn({.name = "thread_pool.spawn"},
                       [ticket = start(std::forward<F>(fn), std::forward<Args>(args)...)]() mutable -> result {
                         return static_cast<result>(ticket.wait());
                       });
  }

  // The most threads it may have, and those it has now.
  std::size_t size() const noexcept;
  std::size_t threads() const noexcept;

private:
  friend struct detail::task_access;

  template <class F, class... Args>
  auto start(F&& fn, Args&&... args) {
    using result = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;
    static_assert(!detail::must_be_awaited<result>,
                  "a thread of a pool runs functions; a coroutine runs on its hub: weft::spawn it, or co_await it");
    using job_type = detail::pool_job_of<result, std::decay_t<F>, std::decay_t<Args>...>;
    detail::pool_ticket<job_type> ticket(std::make_shared<job_type>(std::forward<F>(fn), std::forward<Args>(args)...));
    submit(ticket.job);
    return ticket;
  }
  void submit(std::shared_ptr<detail::pool_job> job);

  detail::pool_core* core_;
};

// A pool for everybody, made on first use; it is never destroyed, and its threads do not keep the process from ending.
WEFT_API thread_pool& default_thread_pool();

}  // namespace weft
