// Asynchronous generators: coroutines that yield values and co_await between them (Python's async def with yield).
//
//   weft::async_generator<std::string> lines(int fd) { ... co_await async::recv(...); co_yield line; ... }
//   while (auto line = co_await g.next()) use(*line);
//
// It runs only while somebody awaits its next value, as a part of that task: its waits are that task's, so are cancellation and timeouts.
// One that is cut off while it waits ends by `cancelled` (unless it catches that), and has no next value.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "weft/error.hpp"
#include "weft/greenlet.hpp"
#include "weft/task.hpp"
#include "weft/task/promise.hpp"

namespace weft {

namespace detail {
// It was destroyed while a task awaits its next value, in a wait that lies in its frame: ends the process.
[[noreturn]] WEFT_API void dropped_while_awaited() noexcept;
}  // namespace detail

// Yields T, is sent Send (void: nothing). A co_yield gives what was sent along: an optional that is empty for next().
template <class T, class Send = void>
class [[nodiscard]] async_generator : public detail::asked_by_await {
  static constexpr bool listens = !std::is_void_v<Send>;
  using sent_value = std::conditional_t<listens, Send, std::monostate>;
  static_assert(std::is_object_v<T>, "generators yield objects: yield a pointer or a std::reference_wrapper in place of a reference");

public:
  using value_type = T;

  struct promise_type : detail::promise_base {
    T* current = nullptr;
    std::optional<sent_value> sent;
    std::exception_ptr thrown;   // for its yield to throw
    std::exception_ptr failure;
    bool begun = false;
    bool running = false;

    async_generator get_return_object(const char* name = __builtin_FUNCTION()) noexcept {
      function = name;
      return async_generator(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    // Back to who asked, as at the end of a task.
    detail::final_awaiter final_suspend() noexcept {
      current = nullptr;
      return {};
    }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { failure = std::current_exception(); }

    struct yield_here : detail::final_awaiter {
      promise_type& p;
      explicit yield_here(promise_type& of) noexcept : p(of) {}
      auto await_resume() {
        if (p.thrown != nullptr) [[unlikely]]
          std::rethrow_exception(std::exchange(p.thrown, nullptr));
        if constexpr (listens) return std::exchange(p.sent, std::nullopt);
      }
    };
    struct yield_copy : yield_here {
      T value;
      yield_copy(promise_type& of, const T& v) : yield_here(of), value(v) {}
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) noexcept {
        this->p.current = std::addressof(value);
        return yield_here::await_suspend(h);
      }
    };
    yield_here yield_value(T&& v) noexcept {
      current = std::addressof(v);
      return yield_here(*this);
    }
    yield_copy yield_value(const T& v) { return yield_copy(*this, v); }
  };

  async_generator(async_generator&& other) noexcept : h_(std::exchange(other.h_, nullptr)), closed_(other.closed_) {}
  async_generator& operator=(async_generator&& other) noexcept {
    std::swap(h_, other.h_);
    std::swap(closed_, other.closed_);
    return *this;
  }
  // One that is not over is ended where it stands: its locals are destroyed, and nothing can be awaited (close() can). While a task awaits
  // its next value it must live.
  ~async_generator() {
    if (!h_) return;
    if (h_.promise().running) [[unlikely]]
      detail::dropped_while_awaited();
    h_.destroy();
  }

  // co_await it: the next value, empty when the function is over. Throws what the function throws (once); error when it is running
  // already (another task awaits it, or it asks itself), or was moved from; cancelled, by which the generator ends, too.
  auto next() { return request(*this, nullptr, std::nullopt); }
  // The same; what the generator's co_yield gives is `v`. Throws error also when it has not begun: nobody would hear it (Python's asend).
  auto send(sent_value v)
    requires listens
  {
    return request(*this, nullptr, std::move(v));
  }
  // The same as next(); the generator's co_yield throws `e`. One that has not begun is over then; it, and one that is over, throws it
  // here (Python's athrow).
  auto throw_in(std::exception_ptr e) { return request(*this, std::move(e), std::nullopt); }
  // co_await it: ends it where it stands. Its co_yield throws greenlet_exit, behind which it may await what is to be cleaned up; the
  // destructor only destroys its locals. Throws error when it yields instead of ending, or is running; what it throws (Python's aclose).
  task<> close() {
    if (done()) co_return;
    if (!h_.promise().begun) {
      end_unbegun();
      co_return;
    }
    bool yields = false;
    try {
      const std::optional<T> more = co_await throw_in(std::make_exception_ptr(greenlet_exit()));
      yields = more.has_value();
    } catch (const greenlet_exit&) {
    }
    if (yields) throw error("the generator yields instead of ending");
  }
  // Its function is over.
  bool done() const noexcept { return !h_ || h_.done(); }

  class [[nodiscard("co_await it")]] request {
  public:
    using weft_awaited = void;
    request(async_generator& g, std::exception_ptr e, std::optional<sent_value> v)
        : of_(&g), thrown_(std::move(e)), sent_(std::move(v)) {}

    bool await_ready() {
      async_generator& g = *of_;
      if (g.h_ && g.h_.promise().running) throw error("the generator is running already: one at a time can await its next value");
      const bool begun = g.h_ && g.h_.promise().begun;
      if (thrown_ != nullptr) {
        if (!g.done() && begun) return false;
        if (!g.done()) g.end_unbegun();
        std::rethrow_exception(thrown_);
      }
      if (!g.h_ && !g.closed_) throw error("the generator was moved from");
      if (g.done()) return true;
      if (sent_ && !begun) throw error("the generator has not begun: nothing can be sent to it");
      return false;
    }
    template <detail::awaits P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> asker) noexcept {
      asked_ = of_->h_;
      promise_type& p = asked_.promise();
      p.begun = p.running = true;
      p.thrown = std::move(thrown_);
      if constexpr (listens) p.sent = std::move(sent_);
      p.parent = &asker.promise();
      return detail::transfer_between(asker.promise(), p);
    }
    std::optional<T> await_resume() {
      if (!asked_) return std::nullopt;
      promise_type& p = asked_.promise();
      p.running = false;
      if (p.failure != nullptr) std::rethrow_exception(std::exchange(p.failure, nullptr));
      T* v = std::exchange(p.current, nullptr);
      if (v == nullptr) return std::nullopt;
      return std::optional<T>(std::move(*v));
    }

  private:
    async_generator* of_;
    std::coroutine_handle<promise_type> asked_;  // while it runs, wherever the generator is moved meanwhile
    std::exception_ptr thrown_;
    std::optional<sent_value> sent_;
  };

private:
  explicit async_generator(std::coroutine_handle<promise_type> h) noexcept : h_(h) {}
  void end_unbegun() noexcept {
    closed_ = true;
    std::exchange(h_, nullptr).destroy();
  }

  std::coroutine_handle<promise_type> h_;
  bool closed_ = false;
};

namespace async {

// All that is left of it, in a vector (a comprehension's `[x async for x in g]`).
template <class T, class Send>
task<std::vector<T>> collect(async_generator<T, Send> g) {
  std::vector<T> all;
  while (auto v = co_await g.next()) all.push_back(std::move(*v));
  co_return all;
}

}  // namespace async

namespace detail {

// It is its own awaiter; in a coroutine of Weft's only.
template <class A>
  requires(requires { typename A::weft_awaited; } && !is_call<A>)
struct awaiting<A> {
  static A make(A&& r) { return std::move(r); }
};

}  // namespace detail
}  // namespace weft

template <class T, class Send, class... Args>
struct std::coroutine_traits<weft::async_generator<T, Send>, Args...> {
  static_assert(weft::detail::outlive<Args...>, WEFT_NO_TEMPORARIES);
  using promise_type = typename weft::async_generator<T, Send>::promise_type;
};
