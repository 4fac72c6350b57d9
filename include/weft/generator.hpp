// Generators: functions that yield values one at a time, as C++20 coroutines (Python's generators). The kind with a stack, which yields
// from however deep in its calls, is weft::fiber_generator.
//
//   weft::generator<int> squares() { for (int i = 0;; ++i) co_yield i * i; }
//   for (int n : squares()) if (n > 50) break;
//
// Runs only while somebody asks for a value, as a part of the asker. No hub needed; it may not co_await: weft::async_generator does.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "weft/detail/item_iterator.hpp"
#include "weft/error.hpp"
#include "weft/task/promise.hpp"

namespace weft {

template <class T, class Send = void, class Return = void>
class generator;

namespace detail {

// Of a generator and those that it delegates to: all yield to the outermost one's asker, who resumes the innermost at once.
template <class T, class Send>
struct generator_promise_base {
  static_assert(std::is_object_v<T>, "generators yield objects: yield a pointer or a std::reference_wrapper in place of a reference");
  static constexpr bool listens = !std::is_void_v<Send>;
  using sent_value = std::conditional_t<listens, Send, std::monostate>;

  generator_promise_base* root = this;
  generator_promise_base* outer = nullptr;  // who delegates to this one
  generator_promise_base* leaf = this;      // of a root: who is suspended
  std::coroutine_handle<> self;
  std::coroutine_handle<> go_on;            // of a root: to be resumed next, where direct transfer would nest calls
  unsigned transfers = 0;                   // of a root
  T* current = nullptr;                     // of a root: what was yielded, in the leaf's frame
  std::optional<sent_value> sent;           // of a root
  std::exception_ptr thrown;                // of a root: for the leaf's yield to throw
  std::exception_ptr failure;               // what ended this one
  bool* under_way = nullptr;                // the delegation's to this one, which must not look after it any more when this one goes
  bool begun = false;
  bool running = false;

  generator_promise_base() = default;
  generator_promise_base(const generator_promise_base&) = delete;
  generator_promise_base& operator=(const generator_promise_base&) = delete;
  ~generator_promise_base() {
    if (under_way != nullptr) *under_way = false;
  }

  static void* operator new(std::size_t size) { return frame_alloc(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { frame_free(frame, size); }

  std::coroutine_handle<> transfer(std::coroutine_handle<> to) noexcept {
    if constexpr (direct_transfer)
      if (!transfers_may_nest || ++root->transfers % transfers_in_a_row != 0) return to;
    root->go_on = to;
    return std::noop_coroutine();
  }

  // What a yield comes back with.
  auto resumed() {
    if (root->thrown != nullptr) [[unlikely]]
      std::rethrow_exception(std::exchange(root->thrown, nullptr));
    if constexpr (listens) return std::exchange(root->sent, std::nullopt);
  }

  // An rvalue stays where it is until the generator is resumed.
  struct yield_here {
    generator_promise_base& p;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    auto await_resume() { return p.resumed(); }
  };
  // Of an lvalue there is a copy, which the asker may move from.
  struct yield_copy {
    generator_promise_base& p;
    T value;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept { p.root->current = std::addressof(value); }
    auto await_resume() { return p.resumed(); }
  };

  struct end_here {
    bool await_ready() const noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
      generator_promise_base& p = h.promise();
      if (p.outer == nullptr) return std::noop_coroutine();
      p.root->leaf = p.outer;
      return p.outer->transfer(p.outer->self);
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  end_here final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure = std::current_exception(); }
};

template <class Return>
struct generator_result {
  std::optional<Return> result;
  template <class V>
    requires std::convertible_to<V&&, Return>
  void return_value(V&& v) {
    result.emplace(std::forward<V>(v));
  }
};
template <>
struct generator_result<void> {
  std::optional<std::monostate> result;
  void return_void() { result.emplace(); }
};

// co_yield from(inner).
template <class Inner>
struct delegated {
  Inner inner;
};

}  // namespace detail

// In a generator: co_yield weft::from(inner) yields all that `inner` yields, hands on to it what is sent and thrown in, and gives its
// result (Python's yield from). An lvalue is borrowed, an rvalue kept until it is over.
template <class T, class Send, class Return>
detail::delegated<generator<T, Send, Return>> from(generator<T, Send, Return>&& inner) noexcept {
  return {std::move(inner)};
}
template <class T, class Send, class Return>
detail::delegated<generator<T, Send, Return>&> from(generator<T, Send, Return>& inner) noexcept {
  return {inner};
}

// Yields T, is sent Send (void: nothing), returns Return. A co_yield gives what was sent along: an optional that is empty for next().
template <class T, class Send, class Return>
class [[nodiscard]] generator {
  using base = detail::generator_promise_base<T, Send>;
  using sent_value = typename base::sent_value;

public:
  using value_type = T;

  struct promise_type : base, detail::generator_result<Return> {
    generator get_return_object() noexcept {
      this->self = handle::from_promise(*this);
      return generator(handle::from_promise(*this));
    }
    typename base::yield_here yield_value(T&& v) noexcept {
      this->root->current = std::addressof(v);
      return {*this};
    }
    typename base::yield_copy yield_value(const T& v) { return {*this, v}; }

    template <class Inner>
    struct delegation {
      promise_type& p;
      Inner inner;
      bool under_way = false;
      // The outer one ends where it stands, and the inner one with it, also one that is borrowed (Python).
      ~delegation() {
        if (under_way) inner.weft_abandon();
      }
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<>) {
        auto& in = inner.weft_promise();
        if (in.running) throw error("the generator is running already");
        if (in.self.done()) return p.self;
        in.begun = true;
        // The one that is suspended, and all between it and `inner`, have a new root now.
        base* leaf = in.leaf;
        for (base* at = leaf; at != nullptr; at = at->outer) at->root = p.root;
        in.outer = &p;
        under_way = true;
        in.under_way = &under_way;
        p.root->leaf = leaf;
        return p.transfer(leaf->self);
      }
      auto await_resume() {
        auto& in = inner.weft_promise();
        under_way = false;
        in.under_way = nullptr;
        in.outer = nullptr;
        in.root = in.leaf = &in;
        return inner.weft_end();
      }
    };
    template <class Inner>
    delegation<Inner> yield_value(detail::delegated<Inner>&& d) noexcept {
      return {*this, std::forward<Inner>(d.inner)};
    }
    template <class A>
    std::suspend_never await_transform(A&&) {
      static_assert(detail::never_true<A>, "a weft::generator only yields; weft::async_generator may co_await, too");
      return {};
    }
  };

  generator(generator&& other) noexcept : h_(std::exchange(other.h_, nullptr)), closed_(other.closed_) {}
  generator& operator=(generator&& other) noexcept {
    std::swap(h_, other.h_);
    std::swap(closed_, other.closed_);
    return *this;
  }
  // One that is not over is ended where it stands: its locals are destroyed.
  ~generator() {
    if (h_) h_.destroy();
  }

  // The next value, empty when the function is over. Throws what the function throws (once); error when it is running already.
  std::optional<T> next() {
    if (closed_) return std::nullopt;
    base& p = h_ ? static_cast<base&>(h_.promise()) : nothing();
    if (p.running || p.outer != nullptr) throw error("the generator is running already");
    if (h_.done()) return std::nullopt;
    p.begun = true;
    p.current = nullptr;
    p.running = true;
    std::coroutine_handle<> at = p.leaf->self;
    do at.resume();
    while ((at = std::exchange(p.go_on, nullptr)));
    p.running = false;
    if (h_.done()) {
      if (p.failure != nullptr) std::rethrow_exception(std::exchange(p.failure, nullptr));
      return std::nullopt;
    }
    return std::optional<T>(std::move(*p.current));
  }
  // The same; what the generator's co_yield gives is `v`. Throws error when it has not begun: nobody would hear it.
  std::optional<T> send(sent_value v)
    requires base::listens
  {
    if (closed_) return std::nullopt;
    if (!h_ || !h_.promise().begun) throw error("the generator has not begun: nothing can be sent to it");
    h_.promise().sent = std::move(v);
    return next();
  }
  // The same; the generator's co_yield throws `e`. One that has not begun is over then; it, and one that is over, throws it here.
  std::optional<T> throw_in(std::exception_ptr e) {
    if (done()) std::rethrow_exception(e);
    if (!h_.promise().begun) {
      close();
      std::rethrow_exception(e);
    }
    h_.promise().thrown = std::move(e);
    return next();
  }
  // Ends it where it stands: its locals are destroyed.
  void close() {
    if (!h_) return;
    if (h_.promise().running || h_.promise().outer != nullptr) throw error("the generator is running already");
    closed_ = true;
    std::exchange(h_, nullptr).destroy();
  }

  // Its function is over, or it was closed.
  bool done() const noexcept { return !h_ || h_.done(); }
  // What the function returned. Throws error when it has not (it yields still, or ended by an exception).
  Return result() const {
    if (!h_ || !h_.promise().result) throw error("the generator has not returned");
    if constexpr (!std::is_void_v<Return>) return *h_.promise().result;
  }

  using iterator = detail::item_iterator<generator, T>;
  // Runs it up to its first yield.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

  // For a generator that delegates to this one.
  promise_type& weft_promise() {
    if (!h_) nothing();
    return h_.promise();
  }
  Return weft_end() {
    auto& p = h_.promise();
    if (p.failure != nullptr) std::rethrow_exception(std::exchange(p.failure, nullptr));
    if (!p.result) throw error("the generator has not returned");
    if constexpr (!std::is_void_v<Return>) return std::move(*p.result);
  }
  void weft_abandon() noexcept {
    closed_ = true;
    std::exchange(h_, nullptr).destroy();
  }

private:
  using handle = std::coroutine_handle<promise_type>;
  explicit generator(handle h) noexcept : h_(h) {}
  [[noreturn]] static base& nothing() { throw error("the generator was closed, or moved from"); }

  handle h_;
  bool closed_ = false;
};

}  // namespace weft

template <class T, class Send, class Return, class... Args>
struct std::coroutine_traits<weft::generator<T, Send, Return>, Args...> {
  static_assert(weft::detail::outlive<Args...>, WEFT_NO_TEMPORARIES);
  using promise_type = typename weft::generator<T, Send, Return>::promise_type;
};
