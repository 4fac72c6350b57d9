// The waitable protocol: anything that completes once and can be linked to. fiber<T>, async_result<T> and event are waitable;
// joinall and every later wait is written against this alone (gevent's AbstractLinkable).
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <optional>
#include <ranges>
#include <vector>

#include "weft/detail/wait.hpp"

namespace weft {

namespace detail {

// What stands behind a waitable object: where to hear of its completion, and how it ended.
struct completion_view {
  hub* home = nullptr;
  wait_list* waiters = nullptr;  // null when it is done
  fiber_base* fiber = nullptr;   // when it is a fiber, so that a join of oneself is caught
};

}  // namespace detail

template <class W>
concept waitable = requires(const W& w) {
  { w.done() } -> std::convertible_to<bool>;
  { w.weft_completion() } -> std::same_as<detail::completion_view>;
  // The failure it ended with, null while it runs and when it succeeded. Counts as having looked.
  { w.exception() } -> std::same_as<std::exception_ptr>;
};

namespace detail {

// Parks until `what` is done or the deadline; true when done. Throws cancelled, self_join, wrong_hub.
WEFT_API bool wait_done(completion_view what, nanos deadline, const char* reason);

// A countdown over several completions, on the stack of the fiber that waits for them.
struct WEFT_API countdown {
  struct link : wait_node {
    countdown* owner;
    link* next_done;
  };
  countdown(hub& h, std::size_t links);
  ~countdown();
  countdown(const countdown&) = delete;
  countdown& operator=(const countdown&) = delete;
  // Adds what is watched; the same object must not end while linked.
  void watch(completion_view what);
  // Parks until one more of the watched is done: which one, by the order of `watch`, or `none` at the deadline. They come in the
  // order in which they were done.
  std::size_t wait_one(nanos deadline, const char* reason);
  // One of those that are done, of which there is one.
  std::size_t take_one() noexcept;
  static constexpr std::size_t none = ~std::size_t{0};

  hub* home;
  link* links;
  std::size_t used = 0;
  // Done, but not yet taken by wait_one.
  link* first_done = nullptr;
  link* last_done = nullptr;
  waiter* parked = nullptr;
};

}  // namespace detail

struct joinall_options {
  // How long to wait at most; default: for ever.
  std::optional<std::chrono::nanoseconds> timeout = std::nullopt;
  // Throw the first failure, in order of completion, as soon as it happens (gevent's raise_error).
  bool raise_error = false;
  // Return once this many are done; 0: all of them.
  std::size_t count = 0;
};

// Waits for waitables, after gevent.joinall: returns how many of them are done. Failures stay in them unless raise_error.
// Parks. Throws cancelled, deadlock, wrong_hub, self_join; with raise_error what the first failed one threw.
template <std::ranges::forward_range R>
  requires waitable<std::ranges::range_value_t<R>>
std::size_t joinall(const R& range, joinall_options options = {}) {
  detail::hub& h = detail::current_hub();
  const detail::nanos deadline = options.timeout ? detail::deadline_after(h, *options.timeout) : detail::never;
  std::size_t total = 0, done = 0;
  for (const auto& w : range) {
    ++total;
    if (w.done()) ++done;
  }
  if (options.raise_error)
    for (const auto& w : range)
      if (w.done())
        if (auto failure = w.exception()) std::rethrow_exception(failure);
  const std::size_t enough = options.count == 0 || options.count > total ? total : options.count;
  if (done >= enough) {
    detail::check_cancelled(h);
    return done;
  }
  if (enough == total && !options.raise_error) {
    // The order of joins does not matter when all are waited for: no links are needed.
    for (const auto& w : range)
      if (!w.done() && !detail::wait_done(w.weft_completion(), deadline, "joinall")) break;
  } else {
    detail::countdown links(h, total - done);
    std::vector<std::ranges::iterator_t<const R>> watched;
    watched.reserve(total - done);
    for (auto w = std::ranges::begin(range); w != std::ranges::end(range); ++w)
      if (!w->done()) {
        links.watch(w->weft_completion());
        watched.push_back(w);
      }
    for (; done < enough; ++done) {
      const std::size_t which = links.wait_one(deadline, "joinall");
      if (which == links.none) break;
      if (options.raise_error)
        if (auto failure = watched[which]->exception()) std::rethrow_exception(failure);
    }
  }
  done = 0;
  for (const auto& w : range)
    if (w.done()) ++done;
  return done;
}

}  // namespace weft
