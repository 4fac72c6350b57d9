// Tasks: C++20 coroutines on the hub, beside its fibers and on equal terms with them. After asyncio's coroutines and cppcoro's task.
//
// A function that returns task<T> and uses co_await or co_return is a coroutine. Calling it runs nothing: it begins when it is awaited.
//   weft::task<int> half(int x) { co_await weft::async::sleep_for(1s); co_return x / 2; }
//   co_await half(8)                in another coroutine: runs it as a part of that one
//   weft::await(half(8))            in a fiber: runs it as a part of that one, parking the fiber
//   weft::spawn(half(8))            starts it on its own: fiber<int>, the handle that spawn of a function gives
//   weft::spawn(half, 8)            the same, and what it is called with lives as long as it does
// A task has what a fiber has (name, cancellation, timeouts, scopes, fiber_local values, thrown-in exceptions, mutexes that it
// owns), but no stack: it waits by co_await only. A call that would park throws would_block_hub inside a coroutine; what has no
// awaitable form runs in a fiber: co_await in_fiber(...).
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/task/await.hpp"
#include "weft/task/promise.hpp"

namespace weft {

namespace detail {

// Runs a coroutine, which nobody awaits, in the calling fiber until it is over. Throws would_block_hub in a coroutine.
WEFT_API void run_in_this_fiber(void* frame);
// Makes what runs the hub's tasks, if it is not there yet. Throws out_of_stacks.
WEFT_API void need_driver(hub& h);
[[noreturn]] WEFT_API void throw_no_task();

template <class T>
struct task_outcome : promise_base {
  static_assert(std::is_reference_v<T> || std::is_move_constructible_v<T>, "the result of a weft::task is moved out of it");
  static_assert(std::is_reference_v<T> || alignof(std::conditional_t<std::is_reference_v<T>, int, T>) <= 16,
                "results of tasks are aligned to at most 16 bytes");
  using stored = std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<T>, T>;

  task_outcome() noexcept {}
  ~task_outcome() {
    if (state_ == has_value) std::destroy_at(std::addressof(value_));
    if (state_ == has_failure) std::destroy_at(std::addressof(failure_));
  }
  task_outcome(const task_outcome&) = delete;
  task_outcome& operator=(const task_outcome&) = delete;

  template <class V>
    requires std::is_convertible_v<V&&, T>
  void return_value(V&& v) noexcept(std::is_nothrow_constructible_v<stored, V>) {
    if constexpr (std::is_reference_v<T>) {
      constexpr bool lasts = (std::is_lvalue_reference_v<V> || std::is_rvalue_reference_v<T>) &&
                             std::is_convertible_v<std::remove_reference_t<V>*, stored>;
      static_assert(lasts, "a task that returns a reference co_returns a temporary or a local object, which is gone then");
      if constexpr (lasts) ::new (static_cast<void*>(std::addressof(value_))) stored(std::addressof(v));
    } else
      ::new (static_cast<void*>(std::addressof(value_))) stored(std::forward<V>(v));
    state_ = has_value;
  }
  void unhandled_exception() noexcept {
    if (state_ == has_value) std::destroy_at(std::addressof(value_));  // a local's destructor has thrown
    ::new (static_cast<void*>(std::addressof(failure_))) std::exception_ptr(std::current_exception());
    state_ = has_failure;
  }
  // What it returned or threw.
  T take() {
    if (state_ == has_failure) [[unlikely]]
      std::rethrow_exception(failure_);
    if constexpr (std::is_reference_v<T>)
      return static_cast<T>(*value_);
    else
      return std::move(value_);
  }

private:
  enum : unsigned char { nothing, has_value, has_failure } state_ = nothing;
  union {
    stored value_;
    std::exception_ptr failure_;
  };
};

template <>
struct task_outcome<void> : promise_base {
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { failure_ = std::current_exception(); }
  void take() const {
    if (failure_ != nullptr) [[unlikely]]
      std::rethrow_exception(failure_);
  }

private:
  std::exception_ptr failure_;
};

template <class T>
struct task_promise : task_outcome<T> {
  template <class V>
  std::suspend_never yield_value(V&&) noexcept {
    static_assert(never_true<V>, "a weft::task gives one result, by co_return; weft::async_generator yields");
    return {};
  }

  // The default argument is the coroutine's own name: it is taken where the compiler calls this, in the coroutine.
  task<T> get_return_object(const char* name = __builtin_FUNCTION()) noexcept {
    this->function = name;
    return task<T>(*this);
  }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  final_awaiter final_suspend() const noexcept { return {}; }
};

}  // namespace detail

// A coroutine that has not begun. Owns its frame; dropped before it was awaited, it never runs.
template <class T = void>
class [[nodiscard("a weft::task runs only when it is awaited or spawned")]] task {
public:
  using value_type = T;
  using promise_type = detail::task_promise<T>;

  task() noexcept = default;
  task(task&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      drop();
      promise_ = std::exchange(other.promise_, nullptr);
    }
    return *this;
  }
  ~task() { drop(); }

  explicit operator bool() const noexcept { return promise_ != nullptr; }

  // In coroutines of Weft's await_transform comes first.
  template <class V = task>
  std::suspend_never operator co_await() const noexcept {
    detail::foreign_coroutine<V>();
    return {};
  }

  // For Weft's own use: what runs it, and the frame, which is given away.
  promise_type& weft_promise() const {
    if (promise_ == nullptr) detail::throw_no_task();
    return *promise_;
  }
  std::coroutine_handle<promise_type> weft_release() noexcept { return handle(std::exchange(promise_, nullptr)); }

private:
  friend promise_type;
  explicit task(promise_type& p) noexcept : promise_(&p) {}
  static std::coroutine_handle<promise_type> handle(promise_type* p) noexcept {
    return std::coroutine_handle<promise_type>::from_promise(*p);
  }
  void drop() noexcept {
    if (promise_ != nullptr) handle(promise_).destroy();
  }

  promise_type* promise_ = nullptr;
};

namespace detail {

template <class T>
struct task_awaiter {
  task<T> child;  // the frame goes when the co_await is over

  bool await_ready() const noexcept { return false; }
  template <awaits P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> parent) noexcept {
    auto& p = child.weft_promise();
    p.parent = &parent.promise();
    return transfer_between(parent.promise(), p);
  }
  T await_resume() { return child.weft_promise().take(); }
};

template <class T>
struct awaiting<task<T>> {
  static task_awaiter<T> make(task<T>&& t) {
    t.weft_promise();  // throws for an empty one, while that can be caught
    return {std::move(t)};
  }
};

// The control block of a task that runs on its own.
template <class T>
struct task_block : fiber_of<T> {
  std::coroutine_handle<task_promise<T>> root;

  static task_block& self(fiber_base* f) noexcept { return *static_cast<task_block*>(f); }
  static void* start(fiber_base* f) { return self(f).root.address(); }
  static void collect(fiber_base* f) {
    task_block& me = self(f);
    struct dropper {
      std::coroutine_handle<task_promise<T>> frame;
      ~dropper() { frame.destroy(); }
    } drop{std::exchange(me.root, nullptr)};
    if constexpr (std::is_void_v<T>)
      drop.frame.promise().take();
    else if constexpr (std::is_reference_v<T>)
      me.slot.value = std::addressof(drop.frame.promise().take());
    else
      ::new (static_cast<void*>(std::addressof(me.slot.value))) T(drop.frame.promise().take());
  }
  static void discard(fiber_base* f) noexcept { self(f).root.destroy(); }
  static void destroy(fiber_base* f) noexcept {
    if constexpr (!std::is_void_v<T> && !std::is_reference_v<T>)
      std::destroy_at(std::addressof(self(f).slot.value));
    else
      (void)f;
  }
  static constexpr auto destroy_if_any =
      std::is_void_v<T> || std::is_reference_v<T> || std::is_trivially_destructible_v<T> ? nullptr : destroy;
  static const task_ops operations;
};

template <class T>
const task_ops task_block<T>::operations{{nullptr, discard, destroy_if_any, sizeof(task_block)}, start, collect};

// The same with the function that makes the coroutine, and its arguments: they live until it is over.
template <class T, class F, class... Args>
struct task_block_with_body : task_block<T> {
  union {
    std::tuple<F, Args...> body;
  };
  task_block_with_body() = delete;
  ~task_block_with_body() = delete;

  static task_block_with_body& self(fiber_base* f) noexcept { return *static_cast<task_block_with_body*>(f); }
  static void* start(fiber_base* f) {
    task_block_with_body& me = self(f);
    me.root = nullptr;
    task<T> made = std::apply([](F& fn, Args&... args) { return std::invoke(fn, std::move(args)...); }, me.body);
    made.weft_promise();
    me.root = made.weft_release();
    return me.root.address();
  }
  static void collect(fiber_base* f) {
    struct dropper {
      task_block_with_body& me;
      ~dropper() { std::destroy_at(std::addressof(me.body)); }
    } drop{self(f)};
    // Without a frame `start` has thrown.
    if (drop.me.root != nullptr) task_block<T>::collect(f);
  }
  static void discard(fiber_base* f) noexcept { std::destroy_at(std::addressof(self(f).body)); }
  static const task_ops operations;
};

template <class T, class F, class... Args>
const task_ops task_block_with_body<T, F, Args...>::operations{
    {nullptr, discard, task_block<T>::destroy_if_any, sizeof(task_block_with_body)}, start, collect};

// Starts a task of `ops`; `fill` constructs what is behind the header. The caller owns one reference.
template <class T, class Fill>
fiber<T> spawn_task(const task_ops& ops, const spawn_options& options, Fill&& fill) {
  hub& h = current_hub();
  fiber_base* f = task_alloc(h, &ops);
  if (f == nullptr) [[unlikely]] {
    need_driver(h);
    if ((f = task_alloc(h, &ops)) == nullptr) throw_out_of_stacks();
  }
  try {
    if (!options.name.empty()) [[unlikely]]
      set_name(f, options.name);
    fill(f);
  } catch (...) {
    task_dealloc(f);
    throw;
  }
  task_start(f);
  return start_as<void>::handle<T>(f);
}

// spawn of a function that returns a task.
template <class T>
struct start_as<task<T>> {
  template <class F, class... Args>
  static fiber<T> start(const spawn_options& options, F&& fn, Args&&... args) {
    using whole = task_block_with_body<T, std::decay_t<F>, std::decay_t<Args>...>;
    static_assert(alignof(whole) <= 16, "what is spawned, and its arguments, are aligned to at most 16 bytes");
    return spawn_task<T>(whole::operations, options, [&](fiber_base* f) {
      std::construct_at(std::addressof(static_cast<whole*>(f)->body), std::forward<F>(fn), std::forward<Args>(args)...);
    });
  }
};

}  // namespace detail

namespace detail {

// What is awaited where it is made, and is no task: what weft::async:: gives, a generator's next().
template <class A>
concept bare_awaitable = !std::is_lvalue_reference_v<A> && requires { typename std::remove_cvref_t<A>::weft_awaited; };

// What refers to something refers to it still.
template <class A>
task<awaited_t<A>> as_task(A what) {
  co_return co_await std::move(what);
}

}  // namespace detail

// Starts a task on its own, on this OS thread's hub. It runs when the caller next parks, never before spawn returns; the stack size
// of the options means nothing. What the coroutine refers to must live until it is over: prefer spawn(fn, args...), which keeps a lambda's
// captures and the arguments alive. Throws out_of_stacks, no_fiber for an empty task.
template <class T>
fiber<T> spawn(spawn_options options, task<T>&& t) {
  t.weft_promise();
  return detail::spawn_task<T>(detail::task_block<T>::operations, options, [&](detail::fiber_base* f) {
    static_cast<detail::task_block<T>*>(f)->root = t.weft_release();
  });
}
template <class T>
fiber<T> spawn(task<T>&& t) {
  t.weft_promise();
  detail::fiber_base* f = detail::task_spawn(detail::current_hub(), &detail::task_block<T>::operations);
  if (f == nullptr) [[unlikely]]
    return spawn(spawn_options{}, std::move(t));
  static_cast<detail::task_block<T>*>(f)->root = t.weft_release();
  return detail::start_as<void>::handle<T>(f);
}

// Runs a task as a part of the calling fiber, which parks wherever the task waits: its scopes, its cancellation, its locks. Returns or
// throws what the task does. Throws would_block_hub inside a coroutine, where co_await does it; no_fiber for an empty task.
template <class T>
T await(task<T>&& given) {
  const task<T> t = std::move(given);
  auto& p = t.weft_promise();
  detail::run_in_this_fiber(p.frame());
  return p.take();
}

// The same for what weft::async:: offers besides tasks: weft::await(weft::async::get(q)).
template <detail::bare_awaitable A>
auto spawn(spawn_options options, A&& what) {
  static_assert(!requires { typename detail::awaited_t<A>::mutex_type; },
                "a lock belongs to the coroutine that takes it: co_await it there");
  return spawn(options, detail::as_task<std::remove_cvref_t<A>>(std::forward<A>(what)));
}
template <detail::bare_awaitable A>
auto spawn(A&& what) {
  return spawn(spawn_options{}, std::forward<A>(what));
}
template <detail::bare_awaitable A>
decltype(auto) await(A&& what) {
  return await(detail::as_task<std::remove_cvref_t<A>>(std::forward<A>(what)));
}

// One with a name is not given away by mistake.
#define WEFT_RUNS_ONCE "a weft::task runs once: give it away by std::move, or call what makes it right here"
template <class T>
auto spawn(task<T>& t) {
  static_assert(detail::never_true<T>, WEFT_RUNS_ONCE);
  return spawn(std::move(t));
}
template <class T>
auto spawn(spawn_options options, task<T>& t) {
  static_assert(detail::never_true<T>, WEFT_RUNS_ONCE);
  return spawn(options, std::move(t));
}
template <class T>
decltype(auto) await(task<T>& t) {
  static_assert(detail::never_true<T>, WEFT_RUNS_ONCE);
  return await(std::move(t));
}
#undef WEFT_RUNS_ONCE

}  // namespace weft

// Parameters of a coroutine live in its frame, but what a reference refers to does not. One to a temporary is gone by the time the
// task begins.
template <class T, class... Args>
struct std::coroutine_traits<weft::task<T>, Args...> {
  static_assert(weft::detail::outlive<Args...>, WEFT_NO_TEMPORARIES);
  using promise_type = weft::detail::task_promise<T>;
};

// A mistake that is easily made: the handle is what spawn gives, the coroutine returns a task.
template <class T, class... Args>
struct std::coroutine_traits<weft::fiber<T>, Args...> {
  static_assert(weft::detail::never_true<T>, "a coroutine returns weft::task<T>; weft::spawn makes a weft::fiber<T> of it");
  struct promise_type : weft::detail::task_promise<T> {
    weft::fiber<T> get_return_object() noexcept { return {}; }
  };
};
