// co_await of queues. Items go straight from putter to getter, fibers and tasks alike: a cancelled getter loses no item.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

#include "weft/error.hpp"
#include "weft/queue.hpp"
#include "weft/task/access.hpp"
#include "weft/task/await.hpp"

namespace weft {

namespace detail {

enum class take_mode {
  item,     // throws queue_closed when nothing will come
  in_time,  // the same; nothing when the time is over
  next,     // nothing when nothing will come
};

template <class Q, take_mode Mode>
class get_from_queue : public line_operation<get_from_queue<Q, Mode>, typename task_access::waiters_of<Q>::getter> {
  using base = line_operation<get_from_queue, typename task_access::waiters_of<Q>::getter>;
  using item_type = typename Q::value_type;

public:
  get_from_queue(Q& q, nanos until) : base(until, item_), queue_(q) {}

  bool now() {
    check_cancelled(task_access::home(queue_));
    return task_access::take_now(queue_, item_);
  }
  bool await_ready() {
    if (base::await_ready()) return true;
    if (queue_.closed()) this->result = wake::closed;
    return this->result != wake::pending;
  }
  wait_list& line() noexcept { return task_access::getters(queue_); }
  auto await_resume() {
    if (this->result == wake::closed && Mode != take_mode::next) throw queue_closed();
    this->woken();
    if constexpr (Mode == take_mode::item)
      return item_type(std::move(*item_));
    else
      return std::optional<item_type>(std::move(item_));
  }

private:
  Q& queue_;
  std::optional<item_type> item_;
};

template <class Q>
class put_into_queue : public line_operation<put_into_queue<Q>, typename task_access::waiters_of<Q>::putter> {
  using base = line_operation<put_into_queue, typename task_access::waiters_of<Q>::putter>;
  using item_type = typename Q::value_type;

public:
  put_into_queue(Q& q, item_type&& item, nanos until) : base(until, item_), queue_(q), item_(std::move(item)) {}

  bool now() {
    check_cancelled(task_access::home(queue_));
    return task_access::put_now(queue_, std::move(item_));
  }
  wait_list& line() noexcept { return task_access::putters(queue_); }
  bool await_resume() {
    if (this->result == wake::closed) throw queue_closed();
    return this->woken();
  }

private:
  Q& queue_;
  item_type item_;
};

}  // namespace detail

namespace async {

// Takes the next item. Throws queue_closed when the queue is closed and drained, cancelled.
template <class T, class Items>
auto get(basic_queue<T, Items>& q) {
  return detail::call<detail::get_from_queue<basic_queue<T, Items>, detail::take_mode::item>>(q, detail::never);
}
// Same, within `d`; empty when there was none in time.
template <class T, class Items, class Rep, class Period>
auto get_for(basic_queue<T, Items>& q, std::chrono::duration<Rep, Period> d) {
  const detail::nanos until = detail::deadline_after(detail::current_hub(), d);
  return detail::call<detail::get_from_queue<basic_queue<T, Items>, detail::take_mode::in_time>>(q, until);
}
// Takes the next item; empty when the queue is closed and drained: while (auto item = co_await async::next(q)).
template <class T, class Items>
auto next(basic_queue<T, Items>& q) {
  return detail::call<detail::get_from_queue<basic_queue<T, Items>, detail::take_mode::next>>(q, detail::never);
}
// Puts an item; true. Throws queue_closed, cancelled: then nothing was put.
template <class T, class Items>
auto put(basic_queue<T, Items>& q, std::type_identity_t<T> item) {
  return detail::call<detail::put_into_queue<basic_queue<T, Items>>>(q, std::move(item), detail::never);
}
// Same, within `d`; false when there was no room in time: the item is gone then.
template <class T, class Items, class Rep, class Period>
auto put_for(basic_queue<T, Items>& q, std::type_identity_t<T> item, std::chrono::duration<Rep, Period> d) {
  const detail::nanos until = detail::deadline_after(detail::current_hub(), d);
  return detail::call<detail::put_into_queue<basic_queue<T, Items>>>(q, std::move(item), until);
}
// Suspends until task_done() was called for every item that was put.
template <class T, class Items>
auto join(basic_queue<T, Items>& q) {
  return detail::call<detail::join_operation>(detail::task_access::all_done(q), "queue.join", detail::never);
}
// Same, for at most `d`; false when items were unfinished then.
template <class T, class Items, class Rep, class Period>
auto join_for(basic_queue<T, Items>& q, std::chrono::duration<Rep, Period> d) {
  const detail::nanos until = detail::deadline_after(detail::current_hub(), d);
  return detail::call<detail::join_operation>(detail::task_access::all_done(q), "queue.join", until);
}

}  // namespace async
}  // namespace weft
