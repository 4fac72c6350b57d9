// A call that waits at several places at once, of which one will serve it: what channels and select park on.
//
// Relies on all of it belonging to one hub: who serves a place withdraws the others in the same breath, so no second one can.
#pragma once

#include <cstddef>

#include "weft/detail/sync.hpp"

namespace weft::detail {

struct channel_wait;

// One place in which the call stands in line.
struct channel_node : wait_node {
  channel_wait* call = nullptr;
  void* item = nullptr;  // a sender's: what it sends; a receiver's: the std::optional that it receives into
  bool closed = false;   // served by close()

  channel_node() noexcept { notify = &channel_node::completed; }
  // What it stood for has happened: the call comes back with this place.
  inline void serve(bool by_close) noexcept;
  static void completed(wait_node* n) noexcept { static_cast<channel_node*>(n)->serve(false); }
};

struct channel_wait : waiter {
  channel_wait(const char* why, channel_node* first, std::size_t n) noexcept : waiter(why), places(first), count(n) {
    for (std::size_t i = 0; i < count; ++i) places[i].call = this;
    on_abort = [](waiter* w) noexcept { static_cast<channel_wait*>(w)->withdraw(); };
  }
  void withdraw() noexcept {
    for (std::size_t i = 0; i < count; ++i)
      if (places[i].linked()) places[i].unlink();
  }

  channel_node* places;
  std::size_t count;
  channel_node* served = nullptr;
};

inline void channel_node::serve(bool by_close) noexcept {
  closed = by_close;
  call->served = this;
  call->withdraw();
  unpark(*call);
}

}  // namespace weft::detail
