// What co_await does with its operand: tasks, operations, and everything waitable (fibers, events, results).
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include "weft/detail/run_here.hpp"
#include "weft/fiber.hpp"
#include "weft/task/promise.hpp"
#include "weft/waitable.hpp"

namespace weft::detail {

// How an A is awaited; specialized for what can be.
template <class A>
struct awaiting {};

template <class A>
concept has_awaiting = requires(A&& what) { awaiting<std::remove_cvref_t<A>>::make(std::forward<A>(what)); };

// What can stand behind co_await in a task.
template <class A>
concept awaitable = is_call<std::remove_cvref_t<A>> || has_awaiting<A>;

template <class A>
decltype(auto) promise_base::await_transform(A&& what, std::uint32_t at) {
  line = at;
  using plain = std::remove_cvref_t<A>;
  if constexpr (is_call<plain>) {
    static_assert(!std::is_lvalue_reference_v<A>,
                  "await it where it is made, co_await weft::async::...(...): what a variable of it refers to may be gone");
    return std::move(what).make();
  } else if constexpr (has_awaiting<A>) {
    return awaiting<plain>::make(std::forward<A>(what));
  } else {
    static_assert(!is_task<plain>, "a weft::task runs once: co_await std::move(it), or co_await the call that makes it");
    static_assert(is_task<plain> || awaitable<A>,
                  "a weft::task can co_await tasks, fibers, events, results and what weft::async:: offers; other blocking code runs "
                  "in a fiber: co_await weft::in_fiber(fn)");
    return final_awaiter{};  // so that the messages above are the only ones
  }
}

// Waits for the completion of something waitable.
class join_operation : public operation {
public:
  explicit join_operation(completion_view what, const char* why, nanos until = never) noexcept
      : operation(why), what_(what), until_(until) {}

  bool await_ready() {
    hub& h = current_hub();
    if (what_.home != &h) [[unlikely]]
      refuse_hub();
    if (what_.fiber != nullptr && what_.fiber == current_fiber()) [[unlikely]]
      refuse_self();
    check_cancelled(h);
    if (what_.waiters != nullptr) return false;
    result = wake::ready;
    return true;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    enter(h);
    what_.waiters->push_back(*this);
    return suspend_on(*this, until_);
  }
  // False when it was not over in time.
  bool await_resume() { return woken(); }

private:
  [[noreturn]] static WEFT_API void refuse_hub();
  [[noreturn]] static WEFT_API void refuse_self();

  completion_view what_;
  nanos until_;
};

// The same, and then what it holds, if it holds anything.
template <class W>
class get_operation : public join_operation {
public:
  explicit get_operation(W& w, nanos until = never)
      : join_operation(w.weft_completion(), std::derived_from<W, any_fiber> ? "join" : "co_await", until), w_(w) {}

  decltype(auto) await_resume() {
    woken();
    if constexpr (requires { w_.weft_take(); })
      return w_.weft_take();
    else if constexpr (requires { w_.get(); })
      return w_.get();
  }

private:
  W& w_;
};

template <class W>
  requires waitable<W>
struct awaiting<W> {
  static get_operation<W> make(W& w) { return get_operation<W>(w); }
  static get_operation<const W> make(const W& w) { return get_operation<const W>(w); }
};

// What co_await of an A gives.
template <class A>
using awaited_t = decltype(std::declval<promise_base&>().await_transform(std::declval<A>()).await_resume());

}  // namespace weft::detail
