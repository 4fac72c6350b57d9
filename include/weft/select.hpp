// Go's select: waits for several sends, receives and completions, does exactly one of them, and runs what stands beside it.
//
//   weft::select(weft::on_receive(numbers, [&](std::optional<int> n) { ... }),
//                weft::on_send(log, "still here", [&] { ... }),
//                weft::on_done(fiber, [&] { ... }),
//                weft::on_timeout(1s, [&] { ... }));
//
// Of the cases that could be done at once one is picked at random, so none starves; the choices of a thread are the same in every
// run. The functions run after the choice, in the caller; they may park, and what they throw passes through.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "weft/channel.hpp"
#include "weft/waitable.hpp"

namespace weft {

namespace detail {

// A number below `n`.
WEFT_API std::size_t select_chance(std::size_t n) noexcept;

template <class C, class F>
struct case_with : C {
  F then;
};

// Refuses foreign hubs and oneself.
WEFT_API completion_view selectable(hub& h, completion_view what);

}  // namespace detail

// Cases; made by the functions below.
template <class T>
class receive_case {
public:
  explicit receive_case(channel<T>* c) noexcept : channel_(c) {}
  bool now(detail::hub&) {
    if (channel_ == nullptr) return false;
    detail::on_home(channel_->home_, "channel");
    return channel_->receive_now(item_);
  }
  void stand(detail::hub&, detail::channel_node& place) {
    if (channel_ == nullptr) return;
    place.item = &item_;
    channel_->receivers_.push_back(place);
  }
  template <class F>
  decltype(auto) finish(F& then, bool) {
    if constexpr (std::invocable<F&, std::optional<T>>)
      return then(std::move(item_));
    else
      return then();
  }

private:
  channel<T>* channel_;
  std::optional<T> item_;
};

template <class T>
class send_case {
public:
  send_case(channel<T>* c, T item) : channel_(c), item_(std::move(item)) {}
  bool now(detail::hub&) {
    if (channel_ == nullptr) return false;
    detail::on_home(channel_->home_, "channel");
    return channel_->send_now(std::move(item_));
  }
  void stand(detail::hub&, detail::channel_node& place) {
    if (channel_ == nullptr) return;
    place.item = &item_;
    channel_->senders_.push_back(place);
  }
  template <class F>
  decltype(auto) finish(F& then, bool closed) {
    if (closed) throw queue_closed();
    return then();
  }

private:
  channel<T>* channel_;
  T item_;
};

template <class W>
class done_case {
public:
  explicit done_case(const W& w) noexcept : of_(&w) {}
  bool now(detail::hub& h) { return detail::selectable(h, of_->weft_completion()).waiters == nullptr; }
  void stand(detail::hub&, detail::channel_node& place) { of_->weft_completion().waiters->push_back(place); }
  template <class F>
  decltype(auto) finish(F& then, bool) {
    return then();
  }

private:
  const W* of_;
};

class timeout_case {
public:
  explicit timeout_case(detail::nanos d) noexcept : after(d) {}
  template <class F>
  decltype(auto) finish(F& then, bool) {
    return then();
  }
  detail::nanos after;
};
class else_case {
public:
  template <class F>
  decltype(auto) finish(F& then, bool) {
    return then();
  }
};

// By pointer a channel may be null: that case is never chosen (Go's nil channel), so one can be switched off.
template <class T, class F>
auto on_receive(channel<T>* c, F then) {
  return detail::case_with<receive_case<T>, F>{receive_case<T>(c), std::move(then)};
}
// An item, or nothing when the channel is closed and drained: fn(std::optional<T>), or fn().
template <class T, class F>
auto on_receive(channel<T>& c, F then) {
  return on_receive(&c, std::move(then));
}
template <class T, class U, std::invocable F>
  requires std::constructible_from<T, U>
auto on_send(channel<T>* c, U&& item, F then) {
  return detail::case_with<send_case<T>, F>{send_case<T>(c, T(std::forward<U>(item))), std::move(then)};
}
// The item is moved out only when this case is the one. Throws queue_closed from select when the channel is closed.
template <class T, class U, std::invocable F>
  requires std::constructible_from<T, U>
auto on_send(channel<T>& c, U&& item, F then) {
  return on_send(&c, std::forward<U>(item), std::move(then));
}
// A fiber is over, an event set, a result there.
template <waitable W, std::invocable F>
auto on_done(const W& w, F then) {
  return detail::case_with<done_case<W>, F>{done_case<W>(w), std::move(then)};
}
// Nothing else within `d`. With several the shortest counts.
template <class Rep, class Period, std::invocable F>
auto on_timeout(std::chrono::duration<Rep, Period> d, F then) {
  return detail::case_with<timeout_case, F>{timeout_case(detail::to_nanos(d)), std::move(then)};
}
// Nothing else can be done at once (Go's default): then select does not park.
template <std::invocable F>
auto or_else(F then) {
  return detail::case_with<else_case, F>{else_case(), std::move(then)};
}

namespace detail {

// What the function beside a case gives.
template <class Case>
using case_result = decltype(std::declval<Case&>().finish(std::declval<Case&>().then, false));

// The cases of one call of select: for a fiber that parks, and for a coroutine (weft/task/select.hpp).
template <class... Cases>
class selection {
public:
  static constexpr std::size_t count = sizeof...(Cases), none = count;

  explicit selection(Cases&&... cases) : cases_(std::move(cases)...) {}

  // Does one that can be done at once, or the or_else: which; `none` when there is something to wait for.
  std::size_t now(hub& h) {
    const std::size_t ready = each(select_chance(count), [&](auto& c, std::size_t) {
      if constexpr (requires { c.now(h); })
        return c.now(h);
      else
        return false;
    });
    if (ready != none) return ready;
    return each(0, [&](auto& c, std::size_t i) {
      using kind = std::remove_reference_t<decltype(c)>;
      if constexpr (std::is_base_of_v<timeout_case, kind>) {
        if (c.after < soonest_) soonest_ = c.after, late_ = i;
      }
      return std::is_base_of_v<else_case, kind>;
    });
  }
  // Stands in all lines at once, for a channel_wait of `places`.
  void stand(hub& h) {
    each(0, [&](auto& c, std::size_t i) {
      if constexpr (requires { c.stand(h, places[i]); }) c.stand(h, places[i]);
      return false;
    });
  }
  nanos deadline(hub& h) const noexcept { return deadline_in(h, soonest_); }
  // Which one the wait ended with, null for the timeout.
  std::size_t chosen(const channel_node* served) {
    if (served == nullptr) return late_;
    closed_ = served->closed;
    return static_cast<std::size_t>(served - places.data());
  }
  // fn(case, closed) of the chosen one.
  template <class F>
  void conclude(std::size_t which, F fn) {
    each(which, [&](auto& c, std::size_t) {
      fn(c, closed_);
      return true;
    });
  }

  std::array<channel_node, count> places;

private:
  // Each case with its index, the indices taken in turn from `first` on, until fn says true: at which.
  template <class F>
  std::size_t each(std::size_t first, F fn) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t wanted = (first + i) % count;
      std::size_t at = 0;
      bool found = false;
      std::apply([&](auto&... c) { ((at++ == wanted ? void(found = fn(c, wanted)) : void()), ...); }, cases_);
      if (found) return wanted;
    }
    return none;
  }

  std::tuple<Cases...> cases_;
  std::size_t late_ = none;
  nanos soonest_ = never;
  bool closed_ = false;
};

}  // namespace detail

// Does one of the cases, and returns its index. Parks, unless one can be done at once or there is an or_else. Throws cancelled, deadlock,
// wrong_hub, self_join, queue_closed: then none was done; and what the chosen case's function throws.
template <class... Cases>
  requires(sizeof...(Cases) > 0)
std::size_t select(Cases... cases) {
  static_assert(!(requires { typename detail::case_result<Cases>::promise_type; } || ...),
                "a case's function returns a coroutine, which nobody would run: in a coroutine use co_await weft::async::select");
  detail::hub& h = detail::current_hub();
  detail::check_cancelled(h);
  detail::selection<Cases...> all(std::move(cases)...);
  std::size_t which = all.now(h);
  if (which == all.none) {
    detail::channel_wait w("select", all.places.data(), all.count);
    all.stand(h);
    which = all.chosen(detail::wait_on(h, w, all.deadline(h)) ? w.served : nullptr);
  }
  all.conclude(which, [](auto& c, bool closed) { static_cast<void>(c.finish(c.then, closed)); });
  return which;
}

}  // namespace weft
