// A value or failure that one fiber delivers and any number of fibers wait for (gevent's AsyncResult, asyncio's Future).
//
// Belongs to the hub that made it; other OS threads deliver through hub::post. Waitable. It must outlive those who wait for it.
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "weft/detail/sync.hpp"
#include "weft/waitable.hpp"

namespace weft {

namespace detail {

[[noreturn]] WEFT_API void throw_already_set();
[[noreturn]] WEFT_API void throw_result_taken();

// The part that does not depend on the type of the value.
class async_result_base {
public:
  async_result_base() : home_(&current_hub()) {}
  async_result_base(const async_result_base&) = delete;
  async_result_base& operator=(const async_result_base&) = delete;

  // A value or a failure has been delivered. Never parks.
  bool done() const noexcept { return done_; }
  // A value has been delivered.
  bool successful() const noexcept { return done_ && failure_ == nullptr; }
  // The failure that was delivered; null before and for a value.
  std::exception_ptr exception() const noexcept { return failure_; }
  completion_view weft_completion() const noexcept { return {home_, done_ ? nullptr : &waiters_, nullptr}; }

  // Parks until something was delivered, which is not thrown here. Throws cancelled, deadlock, wrong_hub.
  void wait() const { wait_to(never); }
  // Same, for at most `d`; false when nothing was delivered in time.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> d) const {
    return wait_to(deadline_after(*home_, d));
  }

  // Delivers a failure: get() throws it, in every fiber that asks. Never parks. Throws wrong_hub, std::future_error
  // (promise_already_satisfied) when something was delivered before.
  void set_exception(std::exception_ptr failure) {
    expect_unset();
    failure_ = std::move(failure);
    deliver();
  }
  template <class E>
    requires(!std::is_same_v<std::decay_t<E>, std::exception_ptr>)
  void set_exception(E&& failure) {
    set_exception(std::make_exception_ptr(std::forward<E>(failure)));
  }

protected:
  ~async_result_base() = default;

  void expect_unset() const {
    on_home(home_, "async_result");
    if (done_) throw_already_set();
  }
  void deliver() noexcept {
    done_ = true;
    waiters_.notify_all();
  }
  bool wait_to(nanos deadline) const {
    hub& h = on_home(home_, "async_result");
    if (done_) {
      check_cancelled(h);
      return true;
    }
    waiter w("async_result.get");
    waiters_.push_back(w);
    return wait_on(h, w, deadline);
  }
  // Waits; afterwards there is a value. Throws the failure, timeout_error.
  void wait_value(nanos deadline) const {
    if (!wait_to(deadline)) throw timeout_error();
    throw_failure();
  }
  void throw_failure() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

  hub* home_;

private:
  mutable waiting_list waiters_;
  std::exception_ptr failure_;
  bool done_ = false;
};

}  // namespace detail

template <class T = void>
class async_result : public detail::async_result_base {
  static_assert(!std::is_reference_v<T>, "async_result holds values; use a pointer");

public:
  using value_type = T;

  // Delivers the value, made of `args`. Never parks. Throws wrong_hub, std::future_error (promise_already_satisfied), and what
  // making the value throws: then nothing was delivered.
  template <class... Args>
    requires std::is_constructible_v<T, Args...>
  void set_value(Args&&... args) {
    expect_unset();
    value_.emplace(std::forward<Args>(args)...);
    deliver();
  }

  // Waits for the value; throws the failure when that was delivered. Parks. Everybody gets a copy; a value that cannot be copied is
  // moved out to the first who asks, others get result_taken. Throws cancelled, deadlock, wrong_hub.
  T get() { return get_until(detail::never); }
  // Same, for at most `d`; throws timeout_error then.
  template <class Rep, class Period>
  T get_for(std::chrono::duration<Rep, Period> d) {
    return get_until(detail::deadline_after(*home_, d));
  }
  // The value if it is there, without parking; throws the failure if that is.
  std::optional<T> try_get() {
    detail::on_home(home_, "async_result");
    throw_failure();
    if (!done()) return std::nullopt;
    return take();
  }

private:
  T get_until(detail::nanos deadline) {
    wait_value(deadline);
    return take();
  }
  T take() {
    if constexpr (std::is_copy_constructible_v<T>) {
      return *value_;
    } else {
      if (!value_) detail::throw_result_taken();
      T v(std::move(*value_));
      value_.reset();
      return v;
    }
  }

  std::optional<T> value_;
};

template <>
class async_result<void> : public detail::async_result_base {
public:
  using value_type = void;

  // Delivers success. Never parks. Throws wrong_hub, std::future_error (promise_already_satisfied).
  void set_value() {
    expect_unset();
    deliver();
  }
  // Waits; throws the failure when that was delivered. Parks. Throws cancelled, deadlock, wrong_hub.
  void get() { wait_value(detail::never); }
  // Same, for at most `d`; throws timeout_error then.
  template <class Rep, class Period>
  void get_for(std::chrono::duration<Rep, Period> d) {
    wait_value(detail::deadline_after(*home_, d));
  }
  // Whether success was delivered; throws the failure if that was. Never parks.
  bool try_get() {
    detail::on_home(home_, "async_result");
    throw_failure();
    return done();
  }
};

}  // namespace weft
