// Results of several waitables at once, in the order of the arguments. After asyncio.gather.
//
// What is gathered: fibers, async_results (anything that waits and has get()), functions, which are run in fibers of their own, and
// tasks, which are spawned. What gather has started never outlives the call: it is cancelled and waited for when gather throws. What
// was handed in as a handle is cancelled only when the caller is, as in asyncio: another one's failure leaves it running.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <ranges>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "weft/any_waitable.hpp"
#include "weft/fiber.hpp"

namespace weft {

// How one of several ended: a value or what it failed with. After JavaScript's allSettled, asyncio's return_exceptions=True.
template <class T = void>
class settled {
public:
  using value_type = T;
  using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  explicit settled(std::exception_ptr failure) noexcept : failure_(std::move(failure)) {}
  template <class... A>
    requires std::is_constructible_v<stored, A...>
  explicit settled(std::in_place_t, A&&... a) : value_(std::in_place, std::forward<A>(a)...) {}

  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  // What it failed with, fiber_cancelled included; null when there is a value.
  std::exception_ptr exception() const noexcept { return failure_; }
  // The failure is fiber_cancelled.
  bool was_cancelled() const {
    if (failure_ != nullptr) try {
        std::rethrow_exception(failure_);
      } catch (const fiber_cancelled&) {
        return true;
      } catch (...) {
      }
    return false;
  }
  // The value; throws the failure.
  decltype(auto) value() {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    if constexpr (!std::is_void_v<T>) return (*value_);
  }

private:
  std::optional<stored> value_;
  std::exception_ptr failure_;
};

namespace detail {

// Waits for all; throws the first failure in order of completion, and then, or when the caller is cancelled, stops those that
// begin at `own`. With `settle` failures do not count.
WEFT_API void gather_wait(std::span<const waitable_ref> items, std::span<const waitable_ref> own, bool settle);

// What spawn() takes by itself: a function, or a task (task.hpp).
template <class A>
concept spawnable = std::invocable<std::decay_t<A>&> || begun_as_it_is<A>;
// An argument of gather: a waitable stays what it is, a function or task becomes a fiber.
template <class A>
concept gatherable = waitable_value<std::remove_cvref_t<A>> || spawnable<A>;

template <class A>
decltype(auto) gathered(A&& a) {
  using plain = std::remove_cvref_t<A>;
  if constexpr (!waitable_value<plain>)
    return spawn({.name = "gather"}, std::forward<A>(a));
  else if constexpr (std::is_lvalue_reference_v<A>)
    return static_cast<A>(a);
  else
    return plain(std::move(a));
}

template <class A>
using gathered_value = typename std::remove_cvref_t<decltype(gathered(std::declval<A>()))>::value_type;
// void in a tuple.
template <class T>
using tuple_value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class... A>
using gathered_values = std::tuple<tuple_value<gathered_value<A>>...>;
template <class... A>
using settled_values = std::tuple<settled<gathered_value<A>>...>;

template <class W>
auto value_of(W& w) -> tuple_value<typename W::value_type> {
  if constexpr (std::is_void_v<typename W::value_type>)
    return w.get(), std::monostate{};
  else
    return w.get();
}

template <class W>
auto settled_of(W& w) -> settled<typename W::value_type> {
  using result = settled<typename W::value_type>;
  if (auto failure = waitable_ref::to(w).failure()) return result(std::move(failure));
  if constexpr (std::is_void_v<typename W::value_type>)
    return w.get(), result(std::in_place);
  else
    return result(std::in_place, w.get());
}

template <bool Settle, class... A>
auto gather_these(A&&... args) {
  // In braces: started in the order of the arguments.
  std::tuple<decltype(gathered(std::declval<A>()))...> held{gathered(std::forward<A>(args))...};
  return std::apply(
      [](auto&... w) {
        std::array<waitable_ref, sizeof...(A)> all{waitable_ref::to(w)...};
        std::array<waitable_ref, sizeof...(A)> own{};
        std::size_t owned = 0, at = 0;
        ((waitable_value<std::remove_cvref_t<A>> ? void() : void(own[owned++] = all[at]), ++at), ...);
        gather_wait(all, std::span(own).first(owned), Settle);
        if constexpr (Settle)
          return settled_values<A...>{settled_of(w)...};
        else
          return gathered_values<A...>{value_of(w)...};
      },
      held);
}

// The fibers that are started for a range of functions, or of tasks, which are moved out of it.
template <class R>
auto gathered_range(R& range) {
  using item = std::ranges::range_value_t<R>;
  std::vector<decltype(gathered(std::declval<item>()))> fibers;
  try {
    for (auto&& fn : range) {
      if constexpr (std::is_copy_constructible_v<item>)
        fibers.push_back(gathered(fn));
      else
        fibers.push_back(gathered(std::move(fn)));
    }
  } catch (...) {
    for (const auto& f : fibers) f.cancel();
    throw;
  }
  return fibers;
}

template <class R>
std::vector<waitable_ref> refs_of(const R& range) {
  std::vector<waitable_ref> all;
  for (const auto& w : range) all.push_back(waitable_ref::to(w));
  return all;
}

// The results of those that are done.
template <bool Settle, class R>
auto collected(R& range) {
  using value = typename std::ranges::range_value_t<R>::value_type;
  if constexpr (Settle) {
    std::vector<settled<value>> results;
    for (auto& w : range) results.push_back(settled_of(w));
    return results;
  } else if constexpr (std::is_void_v<value>) {
    for (auto& w : range) w.get();
  } else {
    std::vector<value> results;
    for (auto& w : range) results.push_back(w.get());
    return results;
  }
}

template <bool Settle, class R>
auto gather_range(R&& range) {
  if constexpr (!waitable_value<std::ranges::range_value_t<R>>) {
    auto fibers = gathered_range(range);
    const std::vector<waitable_ref> all = refs_of(fibers);
    gather_wait(all, all, Settle);
    return collected<Settle>(fibers);
  } else {
    gather_wait(refs_of(range), {}, Settle);
    return collected<Settle>(range);
  }
}

template <class R>
concept gatherable_range = std::ranges::forward_range<R> && gatherable<std::ranges::range_value_t<R>>;

}  // namespace detail

// Waits for all and returns their results as a tuple (void: std::monostate): auto [a, b] = gather(f, g). Throws the first failure, as
// soon as it happens; fiber_cancelled for one that was cancelled. Parks. Throws cancelled, deadlock, wrong_hub, self_join, out_of_stacks.
template <class... A>
  requires(detail::gatherable<A> && ...)
auto gather(A&&... args) {
  return detail::gather_these<false>(std::forward<A>(args)...);
}
// The same of a range of one kind: a vector of the results (void: nothing).
template <detail::gatherable_range R>
  requires(!detail::gatherable<R>)
auto gather(R&& range) {
  return detail::gather_range<false>(range);
}

// Waits for all, and tells of each how it ended, failures as values. Parks. Throws as gather does, but never what one of them failed
// with.
template <class... A>
  requires(detail::gatherable<A> && ...)
auto gather_settled(A&&... args) {
  return detail::gather_these<true>(std::forward<A>(args)...);
}
template <detail::gatherable_range R>
  requires(!detail::gatherable<R>)
auto gather_settled(R&& range) {
  return detail::gather_range<true>(range);
}

}  // namespace weft
