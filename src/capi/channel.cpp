// weft.h: channels of pointers, and select over a list of cases.
#include <variant>
#include <vector>

#include "capi/guard.hpp"
#include "weft/select.hpp"
#include "weft/weft.h"

using namespace weft;
using namespace weft::capi;

struct weft_channel {
  explicit weft_channel(std::size_t capacity) : object(capacity) {}
  channel<void*> object;
};

weft_channel* weft_channel_create(size_t capacity) {
  return guarded_pointer([&] { return new weft_channel(capacity); });
}

void weft_channel_destroy(weft_channel* channel) { delete channel; }

int weft_channel_send(weft_channel* channel, void* item, int64_t timeout) {
  auto& c = channel->object;
  return timed(timeout, [&] { c.send(item); }, [&] { return c.try_send(item); }, [&](auto d) { return c.send_for(item, d); });
}

int weft_channel_receive(weft_channel* channel, void** item, int64_t timeout) {
  return guarded([&] {
    auto& c = channel->object;
    std::optional<void*> got = timeout < 0    ? c.receive()
                               : timeout == 0 ? c.try_receive()
                                              : c.receive_for(std::chrono::nanoseconds(timeout));
    if (!got) return fail(c.closed() ? EPIPE : ETIMEDOUT);
    if (item != nullptr) *item = *got;
    return 0;
  });
}

int weft_channel_close(weft_channel* channel) {
  return guarded([&] { channel->object.close(); });
}

namespace {

using any_case = std::variant<std::monostate, receive_case<void*>, send_case<void*>>;

// Whether the case could be done at once. A send to a closed channel is done, too.
bool now(any_case& c, detail::hub& h, weft_select_case& told) {
  try {
    if (auto* r = std::get_if<receive_case<void*>>(&c)) return r->now(h);
    if (auto* s = std::get_if<send_case<void*>>(&c)) return s->now(h);
  } catch (const queue_closed&) {
    told.closed = 1;
    return true;
  }
  return false;
}

void finish(any_case& c, weft_select_case& told, bool closed) {
  if (closed) told.closed = 1;
  if (auto* r = std::get_if<receive_case<void*>>(&c)) {
    auto take = [&](std::optional<void*> item) {
      if (item)
        told.item = *item;
      else
        told.closed = 1;
    };
    r->finish(take, closed);
  }
}

}  // namespace

int weft_select(weft_select_case* cases, size_t count, size_t* which, int64_t timeout) {
  if (cases == nullptr && count != 0) return fail(EINVAL);
  return guarded([&] {
    detail::hub& h = detail::current_hub();
    detail::check_cancelled(h);
    std::vector<any_case> all(count);
    for (std::size_t i = 0; i < count; ++i) {
      cases[i].closed = 0;
      if (cases[i].channel == nullptr) continue;
      channel<void*>& c = cases[i].channel->object;
      if (cases[i].send != 0)
        all[i].emplace<send_case<void*>>(&c, cases[i].item);
      else
        all[i].emplace<receive_case<void*>>(&c);
    }
    const auto done = [&](std::size_t i, bool closed) {
      finish(all[i], cases[i], closed);
      if (which != nullptr) *which = i;
      return 0;
    };
    const std::size_t first = count != 0 ? detail::select_chance(count) : 0;
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t i = (first + n) % count;
      if (now(all[i], h, cases[i])) return done(i, false);
    }
    if (timeout == 0) return fail(ETIMEDOUT);
    std::vector<detail::channel_node> places(count);
    detail::channel_wait w("weft_select", places.data(), count);
    for (std::size_t i = 0; i < count; ++i) {
      if (auto* r = std::get_if<receive_case<void*>>(&all[i])) r->stand(h, places[i]);
      if (auto* s = std::get_if<send_case<void*>>(&all[i])) s->stand(h, places[i]);
    }
    if (!detail::wait_on(h, w, deadline_of(h, timeout))) return fail(ETIMEDOUT);
    return done(static_cast<std::size_t>(w.served - places.data()), w.served->closed);
  });
}
