// How a fiber's function, arguments and result lie in one block behind the control block: one allocation a spawn.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "weft/detail/wait.hpp"

namespace weft {

struct spawn_options {
  // Shown in reports and run info; copied.
  std::string_view name = {};
  // Bytes of stack, rounded up to a power of two of at least 16 KiB; 0: the default (256 KiB, or WEFT_STACK_SIZE).
  std::size_t stack_size = 0;
  // Gives the function a thread control block of its own, as pthreads have: its own thread_local objects and errno, its own ownership of
  // recursive, error-checking and robust mutexes, FILE locks, pthread keys, pthread_self(). Made by pthread_create, at a hundred times
  // the price of a fiber. One hub of a process can have such fibers (EAGAIN for others); where system calls cannot be redirected they
  // fail with std::system_error (ENOTSUP).
  bool own_thread = false;
};

namespace detail {

template <class T>
union result_slot {
  result_slot() noexcept {}
  ~result_slot() {}
  T value;
};
template <class T>
union result_slot<T&> {
  T* value = nullptr;
};
template <>
union result_slot<void> {};

// A control block with room for the result: what a fiber<T> handle knows.
template <class T>
struct fiber_of : fiber_base {
  [[no_unique_address]] result_slot<T> slot;
};

template <class T, class F, class... Args>
struct fiber_with_body : fiber_of<T> {
  union {
    std::tuple<F, Args...> body;
  };
  template <class... A>
  explicit fiber_with_body(A&&... a) : body(std::forward<A>(a)...) {}
  ~fiber_with_body() {}

  static fiber_with_body& self(fiber_base* f) noexcept { return *static_cast<fiber_with_body*>(f); }

  static void invoke(fiber_base* f) {
    fiber_with_body& me = self(f);
    // The body goes as soon as it has run, so that what it captured is not kept alive by a forgotten handle.
    struct dropper {
      fiber_with_body& me;
      ~dropper() { std::destroy_at(std::addressof(me.body)); }
    } drop{me};
    const auto call = [](F& fn, Args&... args) -> T { return std::invoke(std::move(fn), std::move(args)...); };
    if constexpr (std::is_void_v<T>)
      std::apply(call, me.body);
    else if constexpr (std::is_reference_v<T>)
      me.slot.value = std::addressof(std::apply(call, me.body));
    else
      ::new (static_cast<void*>(std::addressof(me.slot.value))) T(std::apply(call, me.body));
  }
  static void discard(fiber_base* f) noexcept { std::destroy_at(std::addressof(self(f).body)); }
  static void destroy(fiber_base* f) noexcept {
    if constexpr (!std::is_void_v<T> && !std::is_reference_v<T>)
      std::destroy_at(std::addressof(self(f).slot.value));
    else
      (void)f;
  }
  static const fiber_ops operations;
};

template <class T, class F, class... Args>
const fiber_ops fiber_with_body<T, F, Args...>::operations{
    invoke, discard, std::is_trivially_destructible_v<T> || std::is_void_v<T> ? nullptr : destroy, sizeof(fiber_with_body)};

WEFT_API void set_name(fiber_base* f, std::string_view name);
[[noreturn]] WEFT_API void throw_out_of_stacks();

// Makes and starts a fiber; the caller owns one reference.
template <class T, class F, class... Args>
fiber_base* spawn_block(const spawn_options& options, F&& fn, Args&&... args) {
  using whole = fiber_with_body<T, std::decay_t<F>, std::decay_t<Args>...>;
  static_assert(alignof(whole) <= 16, "bodies and results of fibers are aligned to at most 16 bytes");
  hub& h = current_hub();
  if constexpr (std::is_nothrow_constructible_v<std::tuple<std::decay_t<F>, std::decay_t<Args>...>, F, Args...>) {
    if (options.name.empty() && !options.own_thread) [[likely]] {
      fiber_base* f = fiber_spawn(h, &whole::operations, options.stack_size);
      if (f == nullptr) [[unlikely]]
        throw_out_of_stacks();
      std::construct_at(std::addressof(static_cast<whole*>(f)->body), std::forward<F>(fn), std::forward<Args>(args)...);
      return f;
    }
  }
  const fiber_block block = fiber_alloc(h, sizeof(whole), options.stack_size);
  if (block.at == nullptr) [[unlikely]]
    throw_out_of_stacks();
  whole* f = nullptr;
  try {
    f = ::new (block.at) whole(std::forward<F>(fn), std::forward<Args>(args)...);
    f->home = &h;
    f->epoch = block.epoch;
    f->stack_log2 = block.stack_log2;
    f->ops = &whole::operations;
    f->own_thread = options.own_thread;
    if (!options.name.empty()) set_name(f, options.name);
  } catch (...) {
    if (f != nullptr) whole::discard(f);
    fiber_dealloc(h, block, sizeof(whole));
    throw;
  }
  fiber_start(f);
  return f;
}

}  // namespace detail
}  // namespace weft
