// co_await of channels. Items go straight from sender to receiver, fibers and tasks alike: a cancelled receiver loses no item.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

#include "weft/channel.hpp"
#include "weft/error.hpp"
#include "weft/task/access.hpp"
#include "weft/task/await.hpp"

namespace weft {

namespace detail {

// Stands in one line.
class channel_operation : public basic_operation<channel_wait> {
protected:
  channel_operation(const char* why, nanos until) : basic_operation(why, nullptr, 0), until_(until) {}
  ~channel_operation() = default;

  template <class P>
  bool stand(std::coroutine_handle<P> h, wait_list& line, void* item) noexcept {
    enter(h);
    place_.call = this;
    place_.item = item;
    places = &place_;
    count = 1;
    line.push_back(place_);
    return suspend_on(*this, until_);
  }

  nanos until_;
  channel_node place_;
};

template <class T>
class send_to_channel : public channel_operation {
public:
  send_to_channel(channel<T>& c, T&& item, nanos until) : channel_operation("channel.send", until), channel_(c), item_(std::move(item)) {}

  bool await_ready() {
    check_cancelled(task_access::home(channel_));
    if (!task_access::send_now(channel_, item_)) return false;
    result = wake::ready;
    return true;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    return stand(h, task_access::senders(channel_), &item_);
  }
  bool await_resume() {
    if (!woken()) return false;
    if (place_.closed) throw queue_closed();
    return true;
  }

private:
  channel<T>& channel_;
  T item_;
};

template <class T>
class receive_from_channel : public channel_operation {
public:
  receive_from_channel(channel<T>& c, nanos until) : channel_operation("channel.receive", until), channel_(c) {}

  bool await_ready() {
    check_cancelled(task_access::home(channel_));
    if (!task_access::receive_now(channel_, item_)) return false;
    result = wake::ready;
    return true;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    return stand(h, task_access::receivers(channel_), &item_);
  }
  std::optional<T> await_resume() {
    if (!woken()) throw timeout_error();
    return std::move(item_);
  }

private:
  channel<T>& channel_;
  std::optional<T> item_;
};

}  // namespace detail

namespace async {

// Sends; true. Throws queue_closed, cancelled: then nothing was sent.
template <class T>
auto send(channel<T>& c, std::type_identity_t<T> item) {
  return detail::call<detail::send_to_channel<T>>(c, std::move(item), detail::never);
}
// Same, within `d`; false when nobody took it in time: the item is gone then.
template <class T, class Rep, class Period>
auto send_for(channel<T>& c, std::type_identity_t<T> item, std::chrono::duration<Rep, Period> d) {
  const detail::nanos until = detail::deadline_after(detail::current_hub(), d);
  return detail::call<detail::send_to_channel<T>>(c, std::move(item), until);
}
// Receives; empty when the channel is closed and drained: while (auto item = co_await async::receive(c)).
template <class T>
auto receive(channel<T>& c) {
  return detail::call<detail::receive_from_channel<T>>(c, detail::never);
}
// Same, within `d`; throws timeout_error when there was no item in time.
template <class T, class Rep, class Period>
auto receive_for(channel<T>& c, std::chrono::duration<Rep, Period> d) {
  const detail::nanos until = detail::deadline_after(detail::current_hub(), d);
  return detail::call<detail::receive_from_channel<T>>(c, until);
}

}  // namespace async
}  // namespace weft
