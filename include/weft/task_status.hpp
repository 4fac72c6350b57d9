// How a child that task_group::start has begun says that it is ready (trio's task_status).
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "weft/detail/sync.hpp"

namespace weft {

class task_group;

namespace detail {

// One call of task_group::start, shared by it and the child.
struct WEFT_API starting {
  enum class stage {
    waiting,  // start() waits, and the child has neither said anything nor ended
    told,     // the child has said started(): it is a child like others now
    over,     // the child ended before that, or start() gave up: nobody listens
  };

  starting() : home(&current_hub()) {}
  // Whether what the child has to say will be heard. Throws wrong_hub, error when it has said it before.
  bool listens() const;
  void tell() noexcept;

  hub* home;
  stage at = stage::waiting;
  waiting_list line;  // start(), from its first park on: the child never runs before
};

template <class T>
struct starting_with : starting {
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> value;
  T take() {
    if constexpr (!std::is_void_v<T>) return std::move(*value);
  }
};

}  // namespace detail

// Given to the child as its first argument, by value; copyable. T: what start() returns.
template <class T = void>
class task_status {
  static_assert(!std::is_reference_v<T>, "start() returns values; use a pointer");

public:
  // One that nobody listens to: for a function that is called by start() and by others (trio's TASK_STATUS_IGNORED).
  task_status() noexcept = default;

  // start() returns `v`, and from here on a failure is the group's. Nothing when start() has given up. Never parks. Throws error when it
  // was said before, wrong_hub.
  template <class V = T>
    requires(!std::is_void_v<T> && std::constructible_from<T, V>)
  void started(V&& v) const {
    if (s_ == nullptr || !s_->listens()) return;
    s_->value.emplace(std::forward<V>(v));
    s_->tell();
  }
  void started() const
    requires std::is_void_v<T>
  {
    if (s_ != nullptr && s_->listens()) s_->tell();
  }

  // For Weft's own use.
  explicit task_status(std::shared_ptr<detail::starting_with<T>> s) noexcept : s_(std::move(s)) {}

private:
  std::shared_ptr<detail::starting_with<T>> s_;
};

}  // namespace weft
