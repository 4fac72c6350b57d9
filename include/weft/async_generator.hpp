// Asynchronous generators: coroutines that yield values and co_await between them (Python's async def with yield).
//
//   weft::async_generator<std::string> lines(int fd) { ... co_await async::recv(...); co_yield line; ... }
//   while (auto line = co_await g.next()) use(*line);
//
// It runs only while somebody awaits its next value, as a part of that task: its waits are that task's, so are cancellation and timeouts.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "weft/error.hpp"
#include "weft/greenlet.hpp"
#include "weft/task.hpp"
#include "weft/task/promise.hpp"

namespace weft {

template <class T>
class [[nodiscard]] async_generator : public detail::asked_by_await {
public:
  using value_type = T;

  struct promise_type : detail::promise_base {
    T* current = nullptr;
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
      void await_resume() {
        if (p.thrown != nullptr) [[unlikely]]
          std::rethrow_exception(std::exchange(p.thrown, nullptr));
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

  async_generator(async_generator&& other) noexcept : h_(std::exchange(other.h_, nullptr)) {}
  async_generator& operator=(async_generator&& other) noexcept {
    std::swap(h_, other.h_);
    return *this;
  }
  // One that is not over is ended where it stands: its locals are destroyed.
  ~async_generator() {
    if (h_) h_.destroy();
  }

  // co_await it: the next value, empty when the function is over. Throws what the function throws (once); error when another task awaits
  // it already.
  auto next() { return request(*this, nullptr); }
  // The same; the generator's co_yield throws `e`. One that has not begun is over then; it, and one that is over, throws it here.
  auto throw_in(std::exception_ptr e) { return request(*this, std::move(e)); }
  // co_await it: ends it where it stands. Its co_yield throws greenlet_exit, behind which it may await what is to be cleaned up; the
  // destructor only destroys its locals. Throws error when it yields instead of ending, and what it throws.
  task<> close() {
    if (done()) co_return;
    if (!h_.promise().begun) {
      std::exchange(h_, nullptr).destroy();
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
    request(async_generator& g, std::exception_ptr e) noexcept : of_(&g), thrown_(std::move(e)) {}

    bool await_ready() {
      if (of_->h_ && of_->h_.promise().running) throw error("another task awaits the generator's next value");
      const bool begun = of_->h_ && of_->h_.promise().begun;
      if (thrown_ != nullptr && (of_->done() || !begun)) {
        if (of_->h_ && !begun) std::exchange(of_->h_, nullptr).destroy();
        std::rethrow_exception(thrown_);
      }
      return of_->done();
    }
    template <detail::awaits P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> asker) noexcept {
      promise_type& p = of_->h_.promise();
      p.begun = p.running = true;
      p.thrown = std::move(thrown_);
      p.parent = &asker.promise();
      return detail::transfer_to(p.frame());
    }
    std::optional<T> await_resume() {
      if (!of_->h_) return std::nullopt;
      promise_type& p = of_->h_.promise();
      p.running = false;
      if (p.failure != nullptr) std::rethrow_exception(std::exchange(p.failure, nullptr));
      T* v = std::exchange(p.current, nullptr);
      if (v == nullptr) return std::nullopt;
      return std::optional<T>(std::move(*v));
    }

  private:
    async_generator* of_;
    std::exception_ptr thrown_;
  };

private:
  explicit async_generator(std::coroutine_handle<promise_type> h) noexcept : h_(h) {}

  std::coroutine_handle<promise_type> h_;
};

namespace async {

// All that is left of it, in a vector (a comprehension's `[x async for x in g]`).
template <class T>
task<std::vector<T>> collect(async_generator<T> g) {
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

template <class T, class... Args>
struct std::coroutine_traits<weft::async_generator<T>, Args...> {
  static_assert(weft::detail::outlive<Args...>, WEFT_NO_TEMPORARIES);
  using promise_type = typename weft::async_generator<T>::promise_type;
};
