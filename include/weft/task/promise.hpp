// What all coroutines that may co_await Weft's operations have in common: the chain of who awaits whom.
//
// The chain of one task runs from the leaf, which is suspended in an operation, to the outermost coroutine. All belong to one control
// block, whose turn resumes the leaf at once, however long the chain is.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "weft/detail/run_here.hpp"
#include "weft/detail/turns.hpp"
#include "weft/task/frame.hpp"

namespace weft {

template <class T>
class task;

namespace detail {

struct promise_base {
  promise_base* parent = nullptr;  // who awaits this one; null for the outermost
  const char* function = nullptr;  // for humans
  std::uint32_t line = 0;          // of its present co_await
  std::uint8_t transfers = 0;      // which of a row the last one to this one was (transfer_between)

  static void* operator new(std::size_t size) { return frame_alloc(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { frame_free(frame, size); }

  // A frame begins with two pointers (how to resume and how to destroy it), the promise comes next. So compilers agree for a
  // promise that is aligned to at most 16 bytes, and no pointer to the frame need be kept.
  static constexpr std::size_t promise_at = 2 * sizeof(void*);
  void* frame() noexcept { return reinterpret_cast<char*>(this) - promise_at; }
  static promise_base* of(void* frame) noexcept { return reinterpret_cast<promise_base*>(static_cast<char*>(frame) + promise_at); }

  // co_await of whatever can be awaited (await.hpp).
  template <class A>
  decltype(auto) await_transform(A&& what, std::uint32_t at = __builtin_LINE());
};

// Whether P is the promise of a coroutine in which Weft's operations can be awaited.
template <class P>
concept awaits = std::derived_from<P, promise_base>;

// Goes on with `to` when the caller, an await_suspend of `from`, returns what this returns.
inline std::coroutine_handle<> transfer_between(const promise_base& from, promise_base& to) noexcept {
  if constexpr (direct_transfer && !transfers_may_nest) return std::coroutine_handle<>::from_address(to.frame());
  if constexpr (direct_transfer) {
    to.transfers = static_cast<std::uint8_t>(from.transfers + 1);
    if (to.transfers % transfers_in_a_row != 0) [[likely]]
      return std::coroutine_handle<>::from_address(to.frame());
  }
  transfer_later(to.frame());
  return std::noop_coroutine();
}

// Whether what the parameters of a coroutine refer to can be expected to live: T&& names what is about to go.
template <class... Args>
inline constexpr bool outlive = (!std::is_rvalue_reference_v<Args> && ...);
#define WEFT_NO_TEMPORARIES "a parameter T&& of a coroutine refers to an object that may be gone when it runs: take it by value"

#define WEFT_AWAITED_ELSEWHERE \
  "this can be awaited only in a coroutine that returns weft::task or weft::async_generator; in others use weft::await, or weft::spawn"
template <class T>
inline void foreign_coroutine() noexcept {
  static_assert(never_true<T>, WEFT_AWAITED_ELSEWHERE);
}

// At its end a coroutine goes back to who awaits it; the outermost one to whoever has its turn.
struct final_awaiter {
  bool await_ready() const noexcept { return false; }
  template <awaits P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
    promise_base* up = h.promise().parent;
    return up == nullptr ? std::noop_coroutine() : transfer_between(h.promise(), *up);
  }
  void await_resume() const noexcept {}
};

// Base of what is asked for one value after the other by co_await.
struct asked_by_await {
  template <class T = void>
  int* begin() const {
    static_assert(never_true<T>, "a range-for cannot await: while (auto value = co_await it.next()) ...");
    return nullptr;
  }
  template <class T = void>
  int* end() const {
    return nullptr;
  }
};

// Base of the operations.
class any_operation {
public:
  any_operation(const any_operation&) = delete;
  any_operation& operator=(const any_operation&) = delete;

protected:
  any_operation() = default;
  ~any_operation() = default;
};

// What a call of weft::async:: returns: the operation that co_await will make of it, in the frame, and its arguments. (The operation
// itself is never moved, and g++ 12 wants to move what co_await is given.)
template <class Op, class... Args>
class [[nodiscard("nothing happens before it is awaited: co_await it")]] to_be_awaited {
public:
  using weft_awaited = void;
  template <class... A>
  explicit to_be_awaited(A&&... a) : args_(std::forward<A>(a)...) {}
  Op make() && {
    return std::apply([](Args&... a) { return Op(std::forward<Args>(a)...); }, args_);
  }
  // In coroutines of Weft's await_transform comes first.
  template <class T = Op>
  std::suspend_never operator co_await() const noexcept {
    foreign_coroutine<T>();
    return {};
  }

private:
  std::tuple<Args...> args_;
};
template <class A>
inline constexpr bool is_call = false;
template <class Op, class... Args>
inline constexpr bool is_call<to_be_awaited<Op, Args...>> = true;

// Objects that are given as lvalues (what is waited for) are kept by reference, the rest by value.
template <class A>
using kept = std::conditional_t<std::is_lvalue_reference_v<A> && std::is_class_v<std::remove_reference_t<A>>, A, std::decay_t<A>>;
template <class Op, class... Args>
auto call(Args&&... args) {
  return to_be_awaited<Op, kept<Args>...>(std::forward<Args>(args)...);
}

template <class P>
inline void check_awaits() noexcept {
  static_assert(awaits<P>, WEFT_AWAITED_ELSEWHERE);
}
#undef WEFT_AWAITED_ELSEWHERE

// Base of the operations that park: made where they are awaited, in the frame, and never moved.
template <class Waiter>
class basic_operation : public any_operation, protected task_wait<Waiter> {
protected:
  template <class... A>
  explicit basic_operation(A&&... a) noexcept : task_wait<Waiter>(std::forward<A>(a)...) {}
  ~basic_operation() = default;

  // To be called first of all in await_suspend.
  template <class P>
  void enter(std::coroutine_handle<P> h) noexcept {
    check_awaits<P>();
    this->frame = h.address();
    this->fiber = current_fiber();
  }
  // As wait_on: true when it was woken, false on timeout; throws anything else.
  bool woken() {
    if (this->result == wake::ready) [[likely]]
      return true;
    throw_if_ended(current_hub(), this->result, this->reason);
    return this->result != wake::timeout;
  }
};

class operation : public basic_operation<waiter> {
protected:
  explicit operation(const char* why) noexcept : basic_operation(why, nullptr) {}
  ~operation() = default;
};

// Base of the operations that stand in a line until they are served or their time is over. `Self` has line(), the line, and now():
// whether it need not wait.
template <class Self, class Waiter = waiter>
class line_operation : public basic_operation<Waiter> {
public:
  bool await_ready() {
    if (!static_cast<Self*>(this)->now()) return false;
    this->result = wake::ready;
    return true;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    this->enter(h);
    static_cast<Self*>(this)->line().push_back(*this);
    return suspend_on(*this, until_);
  }

protected:
  template <class... A>
  explicit line_operation(nanos until, A&&... a) noexcept : basic_operation<Waiter>(std::forward<A>(a)...), until_(until) {}
  ~line_operation() = default;

private:
  nanos until_;
};
// One whose waiter is a plain one.
template <class Self>
class simple_line_operation : public line_operation<Self> {
protected:
  simple_line_operation(const char* why, nanos until) noexcept : line_operation<Self>(until, why, nullptr) {}
  ~simple_line_operation() = default;
};

}  // namespace detail
}  // namespace weft
