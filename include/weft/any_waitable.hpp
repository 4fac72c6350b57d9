// A waitable of whatever kind, so that fibers, async_results, events and tasks can stand in one list.
//
// Relies on the waitable protocol alone (waitable.hpp).
#pragma once

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/error.hpp"
#include "weft/waitable.hpp"

namespace weft {

// A waitable whose value can be asked for.
template <class W>
concept waitable_value = waitable<W> && requires(W& w) {
  typename W::value_type;
  w.get();
};

namespace detail {

// What can be asked of a waitable, behind pointers.
struct waitable_ops {
  bool (*done)(const void*);
  completion_view (*completion)(const void*);
  std::exception_ptr (*failure)(const void*);
  bool (*was_cancelled)(const void*);
  bool (*cancel)(const void*);  // false: this kind cannot be cancelled
};

template <class W>
inline constexpr waitable_ops waitable_ops_of{
    [](const void* w) -> bool { return static_cast<const W*>(w)->done(); },
    [](const void* w) { return static_cast<const W*>(w)->weft_completion(); },
    [](const void* w) -> std::exception_ptr { return static_cast<const W*>(w)->exception(); },
    [](const void* w) -> bool {
      if constexpr (requires(const W& x) { x.was_cancelled(); })
        return static_cast<const W*>(w)->was_cancelled();
      else
        return (void)w, false;
    },
    [](const void* w) -> bool {
      if constexpr (requires(const W& x) { x.cancel(); })
        return static_cast<const W*>(w)->cancel(), true;
      else
        return (void)w, false;
    },
};

// Names a waitable that lives elsewhere.
struct waitable_ref {
  const void* object = nullptr;
  const waitable_ops* ops = nullptr;

  template <waitable W>
  static waitable_ref to(const W& w) noexcept {
    return {std::addressof(w), &waitable_ops_of<W>};
  }
  bool done() const { return ops->done(object); }
  completion_view completion() const { return ops->completion(object); }
  bool was_cancelled() const { return ops->was_cancelled(object); }
  bool cancel() const { return ops->cancel(object); }
  // What it failed with, cancellation included; null while it runs and when it succeeded.
  std::exception_ptr failure() const {
    if (auto e = ops->failure(object)) return e;
    return was_cancelled() ? std::make_exception_ptr(fiber_cancelled()) : nullptr;
  }
};

}  // namespace detail

// Any waitable. Handles (fibers) are copied into it; what cannot be copied (async_result, event) must outlive it. Cheap to copy.
class any_waitable {
public:
  template <class W>
    requires(!std::is_same_v<W, any_waitable>) && waitable<W>
  any_waitable(const W& w) : ops_(&detail::waitable_ops_of<W>) {
    if constexpr (std::is_copy_constructible_v<W>)
      object_ = std::make_shared<const W>(w);
    else
      object_ = std::shared_ptr<const void>(std::shared_ptr<const void>(), std::addressof(w));
  }

  bool done() const { return ref().done(); }
  std::exception_ptr exception() const { return ops_->failure(object_.get()); }
  bool was_cancelled() const { return ref().was_cancelled(); }
  // Asks it to stop, when it is of a kind that can be (fibers, tasks); others are left alone.
  void cancel() const { ref().cancel(); }
  detail::completion_view weft_completion() const { return ref().completion(); }

private:
  detail::waitable_ref ref() const noexcept { return {object_.get(), ops_}; }

  std::shared_ptr<const void> object_;
  const detail::waitable_ops* ops_;
};

// Several of whatever kinds, as a range.
template <waitable... W>
std::vector<any_waitable> waitables(const W&... of) {
  std::vector<any_waitable> all;
  all.reserve(sizeof...(W));
  (all.emplace_back(of), ...);
  return all;
}

}  // namespace weft
