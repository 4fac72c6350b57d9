// Blocking code from a coroutine: it runs in a fiber of its own, for which the coroutine waits.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include "weft/task/await.hpp"

namespace weft {

namespace detail {

// Waits for a fiber that works for the task alone: when the task is cancelled, so is the fiber, and the task goes on when that is over.
class WEFT_API fiber_operation : public operation {
public:
  bool await_ready() const noexcept { return false; }

protected:
  explicit fiber_operation(const char* why) noexcept : operation(why) {}
  ~fiber_operation() = default;

  bool begin(any_fiber& worker) noexcept;
  // What ended the wait for the fiber, which was cancelled then; `ready` when nothing did.
  wake why() const noexcept { return why_; }
  // Throws that, if the fiber ended by it.
  void end() const;

private:
  static bool let_go(suspension& s) noexcept;

  any_fiber* worker_ = nullptr;
  wake why_ = wake::ready;  // what ended the wait for the fiber
};

template <class F>
class in_fiber_operation : public fiber_operation {
  using value = std::invoke_result_t<F>;

public:
  template <class G>
  explicit in_fiber_operation(G&& fn) : fiber_operation("in_fiber"), fn_(std::forward<G>(fn)) {}

  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    enter(h);
    check_cancelled(current_hub());
    fiber_ = start_as<value>::start({}, [this]() -> value { return std::move(fn_)(); });
    return begin(fiber_);
  }
  value await_resume() {
    end();
    return fiber_.weft_take();
  }

private:
  F fn_;
  weft::fiber<value> fiber_;
};

}  // namespace detail

// Runs fn() in a fiber and gives what it returns or throws: co_await in_fiber([&] { return blocking_call(); }). What fn captures by
// reference lives as long as the fiber, since the task waits for its end even when it is cancelled: then the fiber is cancelled,
// too. Throws cancelled, out_of_stacks.
template <class F>
  requires std::invocable<std::decay_t<F>>
auto in_fiber(F&& fn) {
  if constexpr (detail::is_task<std::invoke_result_t<std::decay_t<F>>>) {
    static_assert(detail::never_true<F>, "that is a task: co_await it as it is");
    return fn();
  } else
    return detail::call<detail::in_fiber_operation<std::decay_t<F>>>(std::decay_t<F>(std::forward<F>(fn)));
}

}  // namespace weft
