// Channels as Go has them: a sender and a receiver meet (capacity 0), or there is a buffer in between. select.hpp waits for several.
//
// Belong to the hub that made them; other OS threads reach them through hub::post. Items go straight from sender to waiting receiver, FIFO
// among those who wait; a cancelled receiver loses no item, and a cancelled sender has sent nothing.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <deque>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include "weft/detail/channel_wait.hpp"
#include "weft/detail/item_iterator.hpp"

namespace weft {

template <class T>
class channel {
  static_assert(std::is_object_v<T>, "channels hold objects: send a pointer or a std::reference_wrapper in place of a reference");
  static_assert(std::is_move_constructible_v<T>, "items are moved through the channel");

public:
  using value_type = T;

  // Up to `capacity` items are kept; 0: a send waits for its receiver. Throws std::system_error when the thread's hub cannot be made.
  explicit channel(std::size_t capacity = 0) : home_(&detail::current_hub()), capacity_(capacity) {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  // Sends; parks until a receiver has it, or there is room for it. Throws queue_closed (also when it is closed meanwhile), cancelled,
  // deadlock, wrong_hub: then nothing was sent.
  void send(T item) { send_to(item, detail::never); }
  // Sends if that can be done without waiting; else false, and the item is left as it was. Never parks. Throws queue_closed, wrong_hub.
  template <class U>
    requires std::constructible_from<T, U>
  bool try_send(U&& item) {
    detail::on_home(home_, "channel");
    return send_now(std::forward<U>(item));
  }
  // send() for at most `d`; false when nobody took it in time.
  template <class Rep, class Period>
  bool send_for(T item, std::chrono::duration<Rep, Period> d) {
    return send_to(item, detail::deadline_after(*home_, d));
  }

  // Receives; parks until there is an item. Empty when the channel is closed and drained (Go's `v, ok`). Throws cancelled, deadlock,
  // wrong_hub.
  std::optional<T> receive() {
    std::optional<T> item;
    receive_to(item, detail::never);
    return item;
  }
  // An item if there is one, else empty (also when it is closed). Never parks. Throws wrong_hub.
  std::optional<T> try_receive() {
    detail::on_home(home_, "channel");
    std::optional<T> item;
    receive_now(item);
    return item;
  }
  // receive() for at most `d`; throws timeout_error when there was no item in time.
  template <class Rep, class Period>
  std::optional<T> receive_for(std::chrono::duration<Rep, Period> d) {
    std::optional<T> item;
    if (!receive_to(item, detail::deadline_after(*home_, d))) throw timeout_error();
    return item;
  }

  // No more items: parked and later senders get queue_closed, receivers what is in the buffer and then nothing. Never parks. Closing
  // again does nothing (Go panics). Throws wrong_hub.
  void close() {
    detail::on_home(home_, "channel");
    closed_ = true;
    for (detail::waiting_list* list : {&receivers_, &senders_})
      while (detail::wait_node* n = list->front()) static_cast<detail::channel_node*>(n)->serve(true);
  }
  bool closed() const noexcept { return closed_; }
  // Items in the buffer, and the most there can be.
  std::size_t size() const noexcept { return items_.size(); }
  std::size_t capacity() const noexcept { return capacity_; }

  // receive(), as all ranges of items call it.
  std::optional<T> next() { return receive(); }
  // Receives until the channel is closed and drained: for (T& item : channel). Several fibers may; each item goes to one.
  using iterator = detail::item_iterator<channel, T>;
  // Parks for the first item.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

private:
  template <class>
  friend class receive_case;
  template <class>
  friend class send_case;
  friend struct detail::task_access;

  // Receivers wait only when there is neither an item nor a sender, senders only when there is neither a receiver nor room.
  template <class U>
  bool send_now(U&& item) {
    if (closed_) throw queue_closed();
    if (detail::wait_node* n = receivers_.front()) {
      auto& r = *static_cast<detail::channel_node*>(n);
      static_cast<std::optional<T>*>(r.item)->emplace(std::forward<U>(item));
      r.serve(false);
    } else if (items_.size() < capacity_) {
      items_.emplace_back(std::forward<U>(item));
    } else {
      return false;
    }
    return true;
  }

  // True when that is the answer: an item, or nothing since it is closed.
  bool receive_now(std::optional<T>& into) {
    detail::wait_node* n = senders_.front();
    if (items_.empty()) {
      if (n == nullptr) return closed_;
      auto& s = *static_cast<detail::channel_node*>(n);
      into.emplace(std::move(*static_cast<T*>(s.item)));
      s.serve(false);
      return true;
    }
    if (n != nullptr) {
      auto& s = *static_cast<detail::channel_node*>(n);
      items_.emplace_back(std::move(*static_cast<T*>(s.item)));
      s.serve(false);
    }
    into.emplace(std::move(items_.front()));
    items_.pop_front();
    return true;
  }

  bool send_to(T& item, detail::nanos deadline) {
    detail::hub& h = detail::on_home(home_, "channel");
    detail::check_cancelled(h);
    if (send_now(std::move(item))) return true;
    detail::channel_node place;
    detail::channel_wait w("channel.send", &place, 1);
    place.item = &item;
    senders_.push_back(place);
    if (!detail::wait_on(h, w, deadline)) return false;
    if (place.closed) throw queue_closed();
    return true;
  }

  bool receive_to(std::optional<T>& into, detail::nanos deadline) {
    detail::hub& h = detail::on_home(home_, "channel");
    detail::check_cancelled(h);
    if (receive_now(into)) return true;
    detail::channel_node place;
    detail::channel_wait w("channel.receive", &place, 1);
    place.item = &into;
    receivers_.push_back(place);
    return detail::wait_on(h, w, deadline);
  }

  detail::hub* home_;
  std::size_t capacity_;
  bool closed_ = false;
  std::deque<T> items_;
  detail::waiting_list receivers_, senders_;
};

}  // namespace weft
