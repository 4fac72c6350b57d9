// Latch and barrier: fibers that wait for each other. After std::latch, std::barrier, and asyncio.Barrier for what happens to those
// who wait when one of them gives up.
//
// Both belong to the hub that made them; other OS threads reach them through hub::post.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <utility>

#include "weft/detail/run_here.hpp"
#include "weft/detail/sync.hpp"
#include "weft/waitable.hpp"

namespace weft {

// A counter that goes down once; who waits goes on when it is zero (Go's WaitGroup has add(), too). Waitable: done at zero.
class WEFT_API latch {
public:
  // Throws std::system_error when the thread's hub cannot be made.
  explicit latch(std::size_t count) : home_(&detail::current_hub()), left_(count) {}
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;

  // Takes `n` off; at zero all who wait are made ready. Never parks. Throws wrong_hub, and not_owner when more is taken off than is left.
  void count_down(std::size_t n = 1);
  // Whether the count is zero. Never parks.
  bool try_wait() const noexcept { return left_ == 0; }
  // Parks until the count is zero. Throws cancelled, deadlock, wrong_hub.
  void wait() const { wait_to(detail::never); }
  // Same, for at most `d`; false when it was not zero in time.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> d) const {
    return wait_to(detail::deadline_after(*home_, d));
  }
  // count_down() and wait(): the last to arrive does not park.
  void arrive_and_wait(std::size_t n = 1) {
    count_down(n);
    wait();
  }
  // What is left.
  std::size_t count() const noexcept { return left_; }

  // The waitable protocol.
  bool done() const noexcept { return left_ == 0; }
  std::exception_ptr exception() const noexcept { return nullptr; }
  detail::completion_view weft_completion() const noexcept { return {home_, done() ? nullptr : &waiters_, nullptr}; }

private:
  bool wait_to(detail::nanos deadline) const;

  detail::hub* home_;
  std::size_t left_;
  mutable detail::waiting_list waiters_;
};

// A barrier is broken: one of its fibers gave up waiting, or abort() was called (asyncio.BrokenBarrierError).
class WEFT_API broken_barrier : public error {
public:
  broken_barrier() : error("the barrier is broken: one of its fibers gave up") {}
  ~broken_barrier() override;
};

// `parties` fibers wait until all of them have come; then they go on, and the barrier is as new.
class WEFT_API barrier {
public:
  // `completion`, when there is one, runs once a phase, in the fiber that comes last, before anybody goes on; it must not park.
  // Throws std::invalid_argument for no parties.
  explicit barrier(std::size_t parties, std::function<void()> completion = {});
  template <class F>
    requires detail::returns_task<F&>
  barrier(std::size_t parties, F) : barrier(parties) {
    static_assert(detail::never_true<F>, "a barrier's completion runs while all wait, and must not wait itself: it cannot be a coroutine");
  }
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;
  ~barrier();

  // Parks until all have come. True in one fiber a phase (the last to come), as for pthread_barrier_wait. Throws broken_barrier, wrong_hub,
  // deadlock; cancelled, by which the barrier is broken for the others of this phase, since they would wait for ever; what `completion`
  // throws, which breaks it too.
  bool arrive_and_wait() { return arrive(detail::never); }
  // Same, for at most `d`: then it throws timeout_error, and the barrier is broken.
  template <class Rep, class Period>
  bool arrive_and_wait_for(std::chrono::duration<Rep, Period> d) {
    return arrive(detail::deadline_after(*home_, d));
  }
  // Leaves for good: this phase and all later ones have a party less (std::barrier). Never parks. Throws wrong_hub.
  void arrive_and_drop();
  // Breaks it: those who wait, and who come, get broken_barrier until reset(). Never parks. Throws wrong_hub.
  void abort();
  // As new; those who wait get broken_barrier. Never parks. Throws wrong_hub.
  void reset();

  std::size_t parties() const noexcept { return parties_; }
  std::size_t waiting() const noexcept { return arrived_; }
  bool broken() const noexcept { return broken_; }

private:
  friend struct detail::task_access;

  // One that waits. Gives up at once when its wait is ended from elsewhere: who comes before it runs must not count on it.
  struct WEFT_API place : detail::waiter {
    explicit place(barrier& b) noexcept;
    barrier* of;
  };

  // Counts the caller in. True when it is the last one: then the phase is over.
  bool come();
  // After the wait of a place: false; throws what ended it.
  static bool over(detail::hub& h, detail::wake why, const char* reason);
  bool arrive(detail::nanos deadline);
  void complete();
  void break_waiters() noexcept;

  detail::hub* home_;
  std::size_t parties_;
  std::size_t arrived_ = 0;
  bool broken_ = false;
  std::function<void()> completion_;
  detail::waiting_list waiters_;
};

}  // namespace weft
