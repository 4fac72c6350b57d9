// Generators with stacks of their own: a function that yields values from however deep in its calls (Python's generators, which
// cannot). The coroutine kind is weft::generator.
//
//   weft::fiber_generator<int> squares([](auto& yield) {
//     for (int i = 0;; ++i) yield(i * i);
//   });
//   for (int n : squares) if (n > 50) break;
//
// Runs only while somebody asks for a value, on the asker's fiber: it may wait, which parks that fiber, and its timeouts and cancellation
// reach it. May be moved, and be asked by one fiber after another of the same OS thread. No hub needed.
#pragma once

#include <concepts>
#include <cstddef>
#include <cxxabi.h>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>

#include "weft/detail/item_iterator.hpp"
#include "weft/greenlet.hpp"

namespace weft {

// Yields T, is sent Send (void: nothing), returns Return.
template <class T, class Send = void, class Return = void>
class fiber_generator {
  static_assert(std::is_object_v<T>, "generators yield objects: yield a pointer or a std::reference_wrapper in place of a reference");

  static constexpr bool listens = !std::is_void_v<Send>;
  using sent_value = std::conditional_t<listens, Send, std::monostate>;
  using returned = std::conditional_t<std::is_void_v<Return>, std::monostate, Return>;

  struct state {
    detail::greenlet_base* self = nullptr;
    T* current = nullptr;  // on the generator's stack
    std::optional<sent_value> sent;
    std::optional<returned> result;
  };

public:
  using value_type = T;

  // What the generator's function is given.
  class yielder {
  public:
    explicit yielder(state& s) noexcept : s_(&s) {}
    yielder(const yielder&) = delete;
    yielder& operator=(const yielder&) = delete;

    // Hands `value` to whoever asked and stays here until the next one does. Returns what was sent along: empty for next(). Throws what is
    // thrown in; greenlet_exit when the generator is closed or destroyed; greenlet_error from another greenlet than its own.
    [[gnu::always_inline]] auto operator()(T value) {
      detail::greenlet_base* self = s_->self;
      if (self->tree->current != self) [[unlikely]]
        throw greenlet_error("a generator yields from its own stack only");
      s_->current = std::addressof(value);
      detail::greenlet_switch_here(self->parent, greenlet_value());
      if constexpr (listens) return std::exchange(s_->sent, std::nullopt);
    }

    // Yields all that another generator yields, hands on to it what is sent and thrown in, and returns its result (Python's yield from).
    template <class R>
    R from(fiber_generator<T, Send, R>& inner) {
      std::optional<T> v = inner.next();
      while (v) {
        std::exception_ptr thrown;
        std::optional<sent_value> sent;
        try {
          if constexpr (listens)
            sent = (*this)(std::move(*v));
          else
            (*this)(std::move(*v));
        } catch (const greenlet_exit&) {
          inner.close();
          throw;
        } catch (const abi::__forced_unwind&) {
          throw;
        } catch (...) {
          thrown = std::current_exception();
        }
        if (thrown != nullptr) {
          v = inner.throw_in(std::move(thrown));
          continue;
        }
        if constexpr (listens) {
          if (sent) {
            v = inner.send(std::move(*sent));
            continue;
          }
        }
        v = inner.next();
      }
      return inner.result();
    }
    template <class R>
    R from(fiber_generator<T, Send, R>&& inner) {
      return from(inner);
    }
    // Yields the elements of a range.
    template <std::ranges::input_range R>
      requires(std::convertible_to<std::ranges::range_reference_t<R>, T> &&
               !requires(R& r) { r.next(); })
    void from(R&& range) {
      for (auto&& item : range) (*this)(T(std::forward<decltype(item)>(item)));
    }

  private:
    state* s_;
  };

  // Will run body(yield) from the first next() on. Throws bad_alloc, and what copying throws.
  template <class F>
    requires(std::invocable<std::decay_t<F>&, yielder&> && !std::is_same_v<std::decay_t<F>, fiber_generator>)
  explicit fiber_generator(F&& body, greenlet_options options = {}) : s_(std::make_unique<state>()) {
    detail::refuse_coroutine<std::invoke_result_t<std::decay_t<F>&, yielder&>>();
    s_->self = detail::greenlet_make(new run_body<std::decay_t<F>>(std::forward<F>(body), *s_), nullptr, options.stack_size);
  }
  fiber_generator(fiber_generator&&) noexcept = default;
  fiber_generator& operator=(fiber_generator other) noexcept {
    std::swap(s_, other.s_);
    return *this;
  }
  // One that is not over is unwound, by greenlet_exit.
  ~fiber_generator() {
    if (s_ != nullptr) detail::greenlet_release(s_->self);
  }

  // The next value, empty when the function is over. Throws what the function throws (once), greenlet_error when it is running already,
  // or belongs to another OS thread.
  [[gnu::always_inline]] std::optional<T> next() {
    detail::greenlet_base* g = s_->self;
    if (detail::greenlet_direct(g)) [[likely]] {
      g->parent = g->tree->current;
      detail::greenlet_switch_here(g, greenlet_value());
      return taken();
    }
    return slowly(nullptr);
  }
  // The same; what the generator's yield returns is `v`. Throws greenlet_error when it has not begun: nobody would hear it.
  std::optional<T> send(sent_value v)
    requires listens
  {
    if (s_->self->state == detail::greenlet_state::created) throw greenlet_error("the generator has not begun: nothing can be sent to it");
    s_->sent = std::move(v);
    return next();
  }
  // The same; the generator's yield throws `e`. In one that has not begun, or is over, it is thrown here.
  std::optional<T> throw_in(std::exception_ptr e) {
    if (done()) std::rethrow_exception(e);
    return slowly(std::move(e));
  }
  // Ends it by greenlet_exit. Throws greenlet_error when it yields instead, and what it throws.
  void close() {
    if (done()) return;
    if (slowly(std::make_exception_ptr(greenlet_exit()))) throw greenlet_error("the generator yields instead of ending");
  }

  // Its function is over.
  bool done() const noexcept { return s_->self->state == detail::greenlet_state::dead; }
  // What the function returned. Throws greenlet_error when it has not (it yields still, or ended by an exception).
  Return result() const {
    if (!s_->result) throw greenlet_error("the generator has not returned");
    if constexpr (!std::is_void_v<Return>) return *s_->result;
  }

  using iterator = detail::item_iterator<fiber_generator, T>;
  // Runs it up to its first yield.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

private:
  template <class F>
  struct run_body final : detail::greenlet_body {
    template <class G>
    run_body(G&& g, state& s) : fn(std::forward<G>(g)), out(&s) {}
    greenlet_value run(greenlet_value) override {
      yielder yield(*out);
      out->sent.reset();
      if constexpr (std::is_void_v<Return>) {
        static_cast<void>(fn(yield));
        out->result.emplace();
      } else {
        out->result.emplace(fn(yield));
      }
      return {};
    }
    F fn;
    state* out;
  };

  std::optional<T> taken() {
    T* v = std::exchange(s_->current, nullptr);
    if (v == nullptr) return std::nullopt;
    return std::optional<T>(std::move(*v));
  }
  // First runs, ends, exceptions, other fibers.
  std::optional<T> slowly(std::exception_ptr e) {
    detail::greenlet_base* g = s_->self;
    if (done()) return std::nullopt;
    for (const detail::greenlet_base* running = g->tree->current; running != nullptr; running = running->parent)
      if (running == g && g->begun) throw greenlet_error("the generator is running already");
    detail::greenlet_lend(g);
    if (e != nullptr)
      detail::greenlet_throw(g, std::move(e));
    else
      detail::greenlet_switch(g, greenlet_value());
    return taken();
  }

  std::unique_ptr<state> s_;
};

}  // namespace weft
