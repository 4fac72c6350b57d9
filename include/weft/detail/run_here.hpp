// Functions that turn out to be coroutines: those which Weft calls in a fiber of its own are run to their end there, those which run in
// the caller are refused by a sentence. Without this their coroutine would be dropped, and nothing would happen.
#pragma once

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

template <class T>
class task;

namespace detail {

template <class A>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

template <class F, class... Args>
concept returns_task = std::invocable<F, Args...> && is_task<std::invoke_result_t<F, Args...>>;

// For assertions that fail wherever they are looked at.
template <class>
inline constexpr bool never_true = false;

// fn(args...) in the calling fiber. (What awaits a task there comes from weft/task.hpp, which whoever has one has included.)
template <class F, class... Args>
decltype(auto) run_here(F&& fn, Args&&... args) {
  if constexpr (returns_task<F, Args...>)
    return await(std::invoke(std::forward<F>(fn), std::forward<Args>(args)...));
  else
    return std::invoke(std::forward<F>(fn), std::forward<Args>(args)...);
}

// What has to be awaited, and is no task: marked by a type in it.
template <class R>
inline constexpr bool must_be_awaited = is_task<std::remove_cvref_t<R>> || requires { typename std::remove_cvref_t<R>::weft_awaited; };

// In calls that run a function of the caller's on the spot.
template <class R>
constexpr void refuse_coroutine() noexcept {
  static_assert(!must_be_awaited<R>,
                "the function gives something that has to be awaited, which nobody would do: in a coroutine co_await the form of this call "
                "in weft::async::, in a fiber let the function return weft::await(...)");
}

}  // namespace detail
}  // namespace weft
