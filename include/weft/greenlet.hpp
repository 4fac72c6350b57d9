// Greenlets: coroutines with stacks and explicit switches, the foundation that gevent stands on (Python's greenlet package). No
// scheduler, no hub: whoever runs says who runs next.
//
//   weft::greenlet doubles([main = weft::greenlet::current()](weft::greenlet_value v) {
//     for (;;) v = main.switch_to(2 * v.as<int>());
//   });
//   doubles.switch_to(21).as<int>();  // 42
//
// Belong to the fiber (or OS thread) that made them, which is the root of their tree; another one's switch throws greenlet_error. Waiting
// inside a greenlet parks that whole fiber.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "weft/detail/greenlet_switch.hpp"
#include "weft/detail/run_here.hpp"

namespace weft {

// Ends the greenlet in which it is thrown, without being a failure (Python's GreenletExit): what its parent sees is an empty value.
struct WEFT_API greenlet_exit {};

enum class greenlet_event { switched, thrown };

struct greenlet_options {
  std::size_t stack_size = 0;  // bytes; 0: the default of fibers
};

// A handle. Copyable, cheap. When the last handle on a suspended greenlet goes, greenlet_exit is thrown in it, there and then.
class WEFT_API greenlet {
  template <class F>
  static constexpr bool runnable = std::invocable<F&, greenlet_value> || std::invocable<F&>;

public:
  // The empty handle.
  greenlet() noexcept = default;
  // Will run fn() or fn(first value) at the first switch; what it returns goes to the parent: the greenlet that made it. Throws
  // bad_alloc, and what copying throws.
  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, greenlet> && runnable<std::decay_t<F>>)
  explicit greenlet(F&& fn, greenlet_options options = {}) : greenlet(std::forward<F>(fn), greenlet(), options) {}
  // Same, with another parent.
  template <class F>
    requires(runnable<std::decay_t<F>>)
  greenlet(F&& fn, const greenlet& parent, greenlet_options options = {})
      : g_(detail::greenlet_make(new body<std::decay_t<F>>(std::forward<F>(fn)), parent.g_, options.stack_size)) {}
  greenlet(const greenlet& other) noexcept : g_(other.g_) {
    if (g_ != nullptr) ++g_->refs;
  }
  greenlet(greenlet&& other) noexcept : g_(std::exchange(other.g_, nullptr)) {}
  greenlet& operator=(greenlet other) noexcept {
    std::swap(g_, other.g_);
    return *this;
  }
  ~greenlet() {
    if (g_ != nullptr) detail::greenlet_release(g_);
  }

  // The greenlet that runs: the root (the fiber itself) where there is no other.
  static greenlet current() { return greenlet(detail::greenlet_current()); }

  // Runs the other one from where it stands (from its beginning the first time), with `v` as what its own switch_to returns, until
  // somebody switches back here; what is sent then is returned, what is thrown then is thrown. To a dead greenlet: to its parent instead,
  // as if it had returned `v`. Never parks by itself. Throws greenlet_error (another fiber's or thread's; an empty handle), bad_alloc
  // (no stack), and what is thrown in.
  [[gnu::always_inline]] greenlet_value switch_to(greenlet_value v = {}) const {
    if (g_ == nullptr) [[unlikely]]
      refuse();
    return detail::greenlet_switch_here(g_, std::move(v));
  }
  // Switches to it and throws `e` there (Python's throw). One that has not begun never does: `e` comes out in its parent.
  greenlet_value throw_in(std::exception_ptr e) const {
    if (g_ == nullptr) [[unlikely]]
      refuse();
    return detail::greenlet_throw(g_, std::move(e));
  }
  // Throws greenlet_exit in it.
  greenlet_value kill() const { return throw_in(std::make_exception_ptr(greenlet_exit())); }

  explicit operator bool() const noexcept { return g_ != nullptr; }
  friend bool operator==(const greenlet& a, const greenlet& b) noexcept { return a.g_ == b.g_; }
  // Over: its function has returned or thrown.
  bool dead() const noexcept { return g_ != nullptr && g_->state == detail::greenlet_state::dead; }
  // Has begun, over or not.
  bool started() const noexcept { return g_ != nullptr && g_->state != detail::greenlet_state::created; }
  // Has begun and is not over (Python's bool(g)).
  bool active() const noexcept { return g_ != nullptr && g_->state == detail::greenlet_state::live; }

  // Where its end, return value and exceptions go. Empty for the root.
  greenlet parent() const noexcept {
    if (g_ == nullptr || g_->parent == nullptr) return greenlet();
    ++g_->parent->refs;
    return greenlet(g_->parent);
  }
  // Throws greenlet_error for a cycle, another tree, the root.
  void set_parent(const greenlet& parent) const {
    if (g_ == nullptr || parent.g_ == nullptr) refuse();
    detail::greenlet_set_parent(g_, parent.g_);
  }

  // Calls `fn` after each switch or throw between greenlets of the calling fiber, in the one that was switched to; an empty function
  // ends that. What it throws comes out there, and ends the tracing. Returns the function of before (Python's settrace).
  using tracer = std::function<void(greenlet_event, const greenlet& origin, const greenlet& target)>;
  static tracer set_trace(tracer fn);

private:
  friend struct greenlet_access;
  explicit greenlet(detail::greenlet_base* g) noexcept : g_(g) {}
  [[noreturn]] static void refuse();

  template <class F>
  struct body final : detail::greenlet_body {
    template <class G>
    explicit body(G&& g) : fn(std::forward<G>(g)) {}
    greenlet_value run(greenlet_value first) override {
      const auto call = [&](auto&... v) -> greenlet_value {
        detail::refuse_coroutine<decltype(fn(std::move(v)...))>();
        if constexpr (std::is_void_v<decltype(fn(std::move(v)...))>)
          return fn(std::move(v)...), greenlet_value();
        else
          return fn(std::move(v)...);
      };
      if constexpr (std::invocable<F&, greenlet_value>)
        return call(first);
      else
        return call();
    }
    F fn;
  };

  detail::greenlet_base* g_ = nullptr;
};

}  // namespace weft
