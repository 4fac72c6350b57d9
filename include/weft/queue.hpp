// Queues between fibers, after asyncio.Queue, PriorityQueue and LifoQueue: bounded or not, FIFO among those who wait, with
// task_done/join, and a close that lets getters drain it (Go's channels, Python 3.13's shutdown).
//
// Belongs to the hub that made it; other OS threads put through hub::post. Items go straight from putter to waiting getter, so a
// cancelled getter loses no item, and a cancelled putter has put nothing.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/detail/item_iterator.hpp"
#include "weft/detail/sync.hpp"

namespace weft {

namespace detail {

// What a queue keeps its items in. `push_behind` puts an item in while the next one stays the next, unless the order of the items
// says otherwise: a parked putter's item goes in before the next one is out, so nothing is lost should one of the moves throw.
template <class T>
class fifo_items {
public:
  std::size_t size() const noexcept { return items_.size(); }
  template <class U>
  void push(U&& item) {
    items_.emplace_back(std::forward<U>(item));
  }
  void push_behind(T&& item) { push(std::move(item)); }
  void take(std::optional<T>& into) {
    into.emplace(std::move(items_.front()));
    items_.pop_front();
  }

private:
  std::deque<T> items_;
};

template <class T>
class lifo_items {
public:
  std::size_t size() const noexcept { return items_.size(); }
  template <class U>
  void push(U&& item) {
    items_.emplace_back(std::forward<U>(item));
  }
  void push_behind(T&& item) {
    push(std::move(item));
    std::swap(items_.back(), items_[items_.size() - 2]);
  }
  void take(std::optional<T>& into) {
    into.emplace(std::move(items_.back()));
    items_.pop_back();
  }

private:
  std::vector<T> items_;
};

// A heap whose top is the smallest, the oldest among equals.
template <class T, class Compare>
class sorted_items {
public:
  std::size_t size() const noexcept { return heap_.size(); }
  template <class U>
  void push(U&& item) {
    heap_.push_back({T(std::forward<U>(item)), ++count_});
    std::push_heap(heap_.begin(), heap_.end(), later_);
  }
  void push_behind(T&& item) { push(std::move(item)); }
  void take(std::optional<T>& into) {
    std::pop_heap(heap_.begin(), heap_.end(), later_);
    into.emplace(std::move(heap_.back().item));
    heap_.pop_back();
  }

private:
  struct entry {
    T item;
    std::uint64_t number;
  };
  struct later {
    [[no_unique_address]] Compare less;
    bool operator()(const entry& a, const entry& b) const {
      if (less(b.item, a.item)) return true;
      return !less(a.item, b.item) && b.number < a.number;
    }
  };
  std::vector<entry> heap_;
  std::uint64_t count_ = 0;
  [[no_unique_address]] later later_;
};

}  // namespace detail

// What all queues can do; `Items` decides which item is the next.
template <class T, class Items>
class basic_queue {
  static_assert(std::is_move_constructible_v<T>, "items are moved through the queue");

public:
  using value_type = T;

  // Holds at most `capacity` items; 0: any number. Throws std::system_error when the thread's hub cannot be made.
  explicit basic_queue(std::size_t capacity = 0) : home_(&detail::current_hub()), capacity_(capacity) {}
  basic_queue(const basic_queue&) = delete;
  basic_queue& operator=(const basic_queue&) = delete;

  // Puts an item; parks while the queue is full. Throws queue_closed, cancelled, deadlock, wrong_hub: then nothing was put.
  void put(T item) { put_to(item, detail::never); }
  // Puts an item if there is room; else false, and the item is left as it was. Never parks. Throws queue_closed, wrong_hub.
  template <class U>
    requires std::constructible_from<T, U>
  bool try_put(U&& item) {
    detail::on_home(home_, "queue");
    return put_now(std::forward<U>(item));
  }
  // put() for at most `d`; false when there was no room in time: then the item is left as it was.
  template <class U, class Rep, class Period>
    requires std::constructible_from<T, U>
  bool put_for(U&& item, std::chrono::duration<Rep, Period> d) {
    const detail::nanos deadline = detail::deadline_after(*home_, d);
    if constexpr (std::is_same_v<U, T>) {
      return put_to(item, deadline);
    } else {
      T copy(std::forward<U>(item));
      return put_to(copy, deadline);
    }
  }

  // Takes the next item (the oldest, newest, smallest); parks while the queue is empty. Throws queue_closed when it is closed and
  // drained, cancelled, deadlock, wrong_hub.
  T get() {
    std::optional<T> item;
    if (take(item, detail::never) == detail::wake::closed) throw queue_closed();
    return std::move(*item);
  }
  // Takes the next item if there is one. Never parks. Throws queue_closed when it is closed and drained, wrong_hub.
  std::optional<T> try_get() {
    detail::on_home(home_, "queue");
    std::optional<T> item;
    if (!take_now(item) && closed_) throw queue_closed();
    return item;
  }
  // get() for at most `d`; empty when there was no item in time.
  template <class Rep, class Period>
  std::optional<T> get_for(std::chrono::duration<Rep, Period> d) {
    std::optional<T> item;
    if (take(item, detail::deadline_after(*home_, d)) == detail::wake::closed) throw queue_closed();
    return item;
  }

  // No more items: parked and later putters get queue_closed, getters take what is left and get queue_closed then. Never parks.
  // Closing again does nothing. Throws wrong_hub.
  void close() {
    detail::on_home(home_, "queue");
    closed_ = true;
    for (detail::waiting_list* list : {&getters_, &putters_})
      while (detail::wait_node* n = list->front()) detail::unpark(*static_cast<detail::waiter*>(n), detail::wake::closed);
  }
  bool closed() const noexcept { return closed_; }

  std::size_t size() const noexcept { return items_.size(); }
  bool empty() const noexcept { return items_.size() == 0; }
  // A put would park.
  bool full() const noexcept { return capacity_ != 0 && items_.size() >= capacity_; }
  // 0: unbounded.
  std::size_t capacity() const noexcept { return capacity_; }

  // The consumer of an item is through with it. Throws not_owner when called more often than items were put, wrong_hub.
  void task_done() {
    detail::on_home(home_, "queue");
    if (unfinished_ == 0) detail::throw_not_owner("queue.task_done() called more often than items were put");
    if (--unfinished_ == 0) joiners_.notify_all();
  }
  // Parks until task_done() was called for every item that was put (asyncio.Queue.join). Throws cancelled, deadlock, wrong_hub.
  void join() { join_to(detail::never); }
  // Same, for at most `d`; false when items were unfinished then.
  template <class Rep, class Period>
  bool join_for(std::chrono::duration<Rep, Period> d) {
    return join_to(detail::deadline_after(*home_, d));
  }

  // get(), but empty when the queue is closed and drained.
  std::optional<T> next() {
    std::optional<T> item;
    take(item, detail::never);
    return item;
  }
  // Takes items until the queue is closed and drained: for (T& item : queue). Several fibers may iterate; each item goes to one.
  using iterator = detail::item_iterator<basic_queue, T>;
  // Parks for the first item.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

private:
  friend struct detail::task_access;

  struct getter : detail::waiter {
    explicit getter(std::optional<T>& into) noexcept : waiter("queue.get"), item(into) {}
    std::optional<T>& item;
  };
  struct putter : detail::waiter {
    explicit putter(T& from) noexcept : waiter("queue.put"), item(from) {}
    T& item;
  };

  // Getters wait only while the queue is empty, putters only while it is full: whoever comes later finds the other way blocked
  // too, so nobody overtakes.
  template <class U>
  bool put_now(U&& item) {
    if (closed_) throw queue_closed();
    if (detail::wait_node* n = getters_.front()) {
      auto& g = *static_cast<getter*>(n);
      g.item.emplace(std::forward<U>(item));
      detail::unpark(g);
    } else if (!full()) {
      items_.push(std::forward<U>(item));
    } else {
      return false;
    }
    ++unfinished_;
    return true;
  }

  bool put_to(T& item, detail::nanos deadline) {
    detail::hub& h = detail::on_home(home_, "queue");
    detail::check_cancelled(h);
    if (put_now(std::move(item))) return true;
    putter p(item);
    putters_.push_back(p);
    const detail::wake why = detail::park(h, p, deadline);
    if (why == detail::wake::closed) throw queue_closed();
    detail::throw_if_ended(h, why, p.reason);
    return why == detail::wake::ready;
  }

  bool take_now(std::optional<T>& into) {
    if (items_.size() == 0) return false;
    if (detail::wait_node* n = putters_.front()) {
      auto& p = *static_cast<putter*>(n);
      items_.push_behind(std::move(p.item));
      ++unfinished_;
      detail::unpark(p);
    }
    items_.take(into);
    return true;
  }

  // ready, timeout or closed; throws the rest.
  detail::wake take(std::optional<T>& into, detail::nanos deadline) {
    detail::hub& h = detail::on_home(home_, "queue");
    detail::check_cancelled(h);
    if (take_now(into)) return detail::wake::ready;
    if (closed_) return detail::wake::closed;
    getter g(into);
    getters_.push_back(g);
    const detail::wake why = detail::park(h, g, deadline);
    detail::throw_if_ended(h, why, g.reason);
    return why;
  }

  bool join_to(detail::nanos deadline) {
    detail::hub& h = detail::on_home(home_, "queue");
    detail::check_cancelled(h);
    if (unfinished_ == 0) return true;
    detail::waiter w("queue.join");
    joiners_.push_back(w);
    return detail::wait_on(h, w, deadline);
  }

  detail::hub* home_;
  std::size_t capacity_;
  std::size_t unfinished_ = 0;
  bool closed_ = false;
  Items items_;
  detail::waiting_list getters_, putters_, joiners_;
};

// The oldest item is the next.
template <class T>
class queue : public basic_queue<T, detail::fifo_items<T>> {
public:
  using basic_queue<T, detail::fifo_items<T>>::basic_queue;
};

// The newest item is the next (a stack).
template <class T>
class lifo_queue : public basic_queue<T, detail::lifo_items<T>> {
public:
  using basic_queue<T, detail::lifo_items<T>>::basic_queue;
};

// The smallest item is the next, the oldest among equals; std::greater<T>: the largest.
template <class T, class Compare = std::less<T>>
class priority_queue : public basic_queue<T, detail::sorted_items<T, Compare>> {
public:
  using basic_queue<T, detail::sorted_items<T, Compare>>::basic_queue;
};

}  // namespace weft
