// Waiting for several waitables: the first, the first that fails, all of them, or one after the other as they end. After asyncio.wait
// and asyncio.as_completed, gevent.wait and gevent.iwait.
//
// Written against the waitable protocol: fibers, async_results, events and tasks alike; lists that mix them are lists of
// any_waitable. Waiting leaves what is waited for alone: nothing here cancels it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/any_waitable.hpp"
#include "weft/fiber.hpp"
#include "weft/waitable.hpp"

namespace weft {

// When wait() comes back.
enum class return_when {
  all,              // all are done
  first_completed,  // one is done, in whatever way
  first_exception,  // one has failed (cancellation is no failure); without failures as `all`
};
inline constexpr return_when all_completed = return_when::all;
inline constexpr return_when first_completed = return_when::first_completed;
inline constexpr return_when first_exception = return_when::first_exception;

// What wait() found: copies of the handles, or pointers to waitables that cannot be copied.
template <class W>
struct wait_result {
  using item = std::conditional_t<std::is_copy_constructible_v<W>, W, const W*>;
  std::vector<item> done;     // in the order of completion; what was done before in the order of the range
  std::vector<item> pending;  // in the order of the range
};

namespace detail {

template <class W>
typename wait_result<W>::item wait_item(const W& w) {
  if constexpr (std::is_copy_constructible_v<W>)
    return w;
  else
    return std::addressof(w);
}

// One call of wait().
template <class R>
class waiting {
public:
  waiting(hub& h, const R& range, return_when when)
      : links(h, static_cast<std::size_t>(std::ranges::distance(range))), when_(when),
        seen_(static_cast<std::size_t>(std::ranges::distance(range))) {
    items_.reserve(seen_.size());
    for (auto w = std::ranges::begin(range); w != std::ranges::end(range); ++w) {
      items_.push_back(w);
      links.watch(w->weft_completion());
    }
  }
  // What is done already is taken without waiting, also when that was enough.
  bool more() const noexcept { return result_.done.size() < items_.size() && (!enough_ || links.first_done != nullptr); }
  // False when that was none: the time is over.
  bool add(std::size_t which) {
    if (which == countdown::none) return false;
    seen_[which] = true;
    result_.done.push_back(wait_item(*items_[which]));
    if (when_ == return_when::first_completed || (when_ == return_when::first_exception && items_[which]->exception() != nullptr))
      enough_ = true;
    return true;
  }
  auto take() {
    for (std::size_t i = 0; i < items_.size(); ++i)
      if (!seen_[i]) result_.pending.push_back(wait_item(*items_[i]));
    return std::move(result_);
  }

  countdown links;

private:
  return_when when_;
  std::vector<bool> seen_;
  std::vector<std::ranges::iterator_t<const R>> items_;
  wait_result<std::ranges::range_value_t<R>> result_;
  bool enough_ = false;
};

inline nanos deadline_in_time(hub& h, std::optional<std::chrono::nanoseconds> timeout) {
  return timeout ? deadline_after(h, *timeout) : never;
}

}  // namespace detail

// Waits until `when` holds, for at most `timeout` (default: for ever; running out of time is no error). Those done and those
// pending. Parks. Throws cancelled, deadlock, wrong_hub, self_join. With first_exception their failures count as seen.
template <std::ranges::forward_range R>
  requires waitable<std::ranges::range_value_t<R>>
wait_result<std::ranges::range_value_t<R>> wait(const R& range, return_when when = return_when::all,
                                                std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  detail::hub& h = detail::current_hub();
  detail::check_cancelled(h);
  const detail::nanos deadline = detail::deadline_in_time(h, timeout);
  detail::waiting<R> all(h, range, when);
  while (all.more() && all.add(all.links.wait_one(deadline, "wait"))) {
  }
  return all.take();
}
template <detail::not_begun R>
bool wait(const R&, return_when = return_when::all, std::optional<std::chrono::nanoseconds> = std::nullopt) {
  return detail::refuse_not_begun<R>();
}
// Same, of several kinds: wait({a, b}, weft::first_completed).
inline wait_result<any_waitable> wait(std::initializer_list<any_waitable> of, return_when when = return_when::all,
                                      std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  return wait<std::initializer_list<any_waitable>>(of, when, timeout);
}

namespace detail {

// What as_completed() waits for, and what of it was taken. `R` is a range, or a reference to one.
template <class R>
class completion_order {
public:
  completion_order(R range, std::optional<std::chrono::nanoseconds> timeout)
      : links(current_hub(), static_cast<std::size_t>(std::ranges::distance(range))), deadline(deadline_in_time(*links.home, timeout)),
        range_(std::forward<R>(range)) {
    items_.reserve(static_cast<std::size_t>(std::ranges::distance(range_)));
    for (auto w = std::ranges::begin(range_); w != std::ranges::end(range_); ++w) {
      items_.push_back(w);
      links.watch(w->weft_completion());
    }
  }
  // Before the wait for one more: false when there is none. Throws cancelled.
  bool more() const {
    if (taken_ == items_.size()) return false;
    check_cancelled(*links.home);
    return true;
  }
  // After it: which one. Throws timeout_error.
  std::ranges::range_reference_t<R> take(std::size_t which) {
    if (which == countdown::none)
      throw timeout_error(std::to_string(items_.size() - taken_) + " of " + std::to_string(items_.size()) + " were not done in time");
    ++taken_;
    return *items_[which];
  }

  countdown links;
  nanos deadline;

private:
  R range_;
  std::vector<std::ranges::iterator_t<R>> items_;
  std::size_t taken_ = 0;
};

}  // namespace detail

// The waitables of a range, one after the other as they end; made by as_completed(). One pass, by the fiber that made it.
template <class R>
class completions {
public:
  using reference = std::ranges::range_reference_t<R>;

  explicit completions(R range, std::optional<std::chrono::nanoseconds> timeout) : order_(std::forward<R>(range), timeout) {}
  completions(const completions&) = delete;
  completions& operator=(const completions&) = delete;

  class iterator {
  public:
    using value_type = std::ranges::range_value_t<R>;
    using difference_type = std::ptrdiff_t;
    explicit iterator(completions& of) : of_(&of) { ++*this; }
    reference operator*() const { return *at_; }
    iterator& operator++() {
      at_ = of_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return i.at_ == nullptr; }

  private:
    completions* of_;
    std::remove_reference_t<reference>* at_ = nullptr;
  };
  // Parks for the first.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

private:
  std::remove_reference_t<reference>* next() {
    if (!order_.more()) return nullptr;
    return std::addressof(order_.take(order_.links.wait_one(order_.deadline, "as_completed")));
  }

  detail::completion_order<R> order_;
};

// for (auto& f : as_completed(fibers)): each as it ends, those that were done before first. Iterating parks; it throws timeout_error when
// `timeout`, counted from here on for all of them together, passes first (asyncio), cancelled, deadlock, wrong_hub, self_join.
template <std::ranges::forward_range R>
  requires waitable<std::ranges::range_value_t<R>>
completions<R> as_completed(R&& range, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  return completions<R>(std::forward<R>(range), timeout);
}
template <detail::not_begun R>
std::array<std::exception_ptr, 0> as_completed(const R&, std::optional<std::chrono::nanoseconds> = std::nullopt) {
  static_cast<void>(detail::refuse_not_begun<R>());
  return {};
}
inline completions<std::vector<any_waitable>> as_completed(std::initializer_list<any_waitable> of,
                                                           std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
  return completions<std::vector<any_waitable>>(of, timeout);
}

}  // namespace weft
