// A variable of which every fiber has its own (gevent.local, asyncio's context variables without inheritance).
//
// Made when a fiber first asks, destroyed in that fiber when it ends, the last made first; main's when main ends. The object itself
// is usually global, may be used on every hub, and may be destroyed before the values: they stay until their fibers end.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include "weft/detail/runtime.hpp"

namespace weft {

namespace detail {

// A number that no other fiber_local of the process has had.
WEFT_API std::uint64_t new_local_key() noexcept;
// The running fiber's value, null when it has none.
WEFT_API void* find_local(std::uint64_t key) noexcept;
// Gives the running fiber a value, which it has none of. Throws bad_alloc: then `value` is still the caller's.
WEFT_API void add_local(std::uint64_t key, void* value, void (*destroy)(void*) noexcept);
// Destroys the running fiber's value if it has one.
WEFT_API void drop_local(std::uint64_t key) noexcept;

}  // namespace detail

template <class T>
class fiber_local {
public:
  // Values start as T().
  fiber_local()
    requires std::default_initializable<T>
      : fiber_local([] { return T(); }) {}
  // Values start as copies of `initial`.
  explicit fiber_local(T initial)
    requires std::copy_constructible<T>
      : fiber_local([initial = std::move(initial)] { return initial; }) {}
  // Values start as what make() returns, called in the fiber that asks first.
  template <class F>
    requires(std::is_invocable_r_v<T, F&> && !std::is_convertible_v<F, T> && !std::is_same_v<std::decay_t<F>, fiber_local>)
  explicit fiber_local(F make) : make_(std::move(make)) {}
  fiber_local(const fiber_local&) = delete;
  fiber_local& operator=(const fiber_local&) = delete;

  // The running fiber's value, made now if need be. Never parks, unless making it does. Throws bad_alloc, and what making throws.
  T& get() const {
    if (void* found = detail::find_local(key_)) return *static_cast<T*>(found);
    T* made = new T(make_());
    try {
      detail::add_local(key_, made, [](void* p) noexcept { delete static_cast<T*>(p); });
    } catch (...) {
      delete made;
      throw;
    }
    return *made;
  }
  T& operator*() const { return get(); }
  T* operator->() const { return &get(); }
  void set(T value) { get() = std::move(value); }

  // Whether the running fiber has a value yet.
  bool has_value() const noexcept { return detail::find_local(key_) != nullptr; }
  // Destroys the running fiber's value; the next get() makes another.
  void reset() noexcept { detail::drop_local(key_); }

private:
  std::uint64_t key_ = detail::new_local_key();
  std::function<T()> make_;
};

}  // namespace weft
