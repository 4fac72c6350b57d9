// Which hubs hear of which signals: the process-wide handler, the ports it posts to, and the listeners on each hub.
//
// A port is one hub's ear for one signal. Ports stay in the handler's lists until their hub ends, so the handler walks them
// without a lock; listeners come and go on their hub alone. The handler must only do what is async-signal-safe.
#pragma once

#include <csignal>
#include <cstdint>
#include <list>
#include <memory>

#include "core/hub_state.hpp"
#include "weft/detail/sync.hpp"

namespace weft::detail {

struct hub_signals;
struct signal_call;

inline constexpr int most_signals = 64;
constexpr std::uint64_t signal_bit(int number) noexcept { return std::uint64_t{1} << (number - 1); }

struct signal_port : core::remote_node {
  signal_port(hub_signals& s, int n) noexcept;

  hub_signals* owner;
  int number;
  sys::atomic<bool> pending;             // posted to the hub, which has not come to it yet
  sys::atomic<std::uint32_t> listeners;  // changed by the hub, read by the handler
  sys::atomic<signal_port*> next_port;
};

// Something on a hub that wants to be told. `arrived` is bounded and never parks.
struct signal_listener : wait_node {
  void (*arrived)(signal_listener&, int number) noexcept = nullptr;
  std::uint64_t wanted = 0;
};

// What a hub listens to. Shared by the hub and by receivers that outlive it.
struct hub_signals {
  explicit hub_signals(hub& h) noexcept : home(&h) {}

  // The calling thread's, made on first use.
  static const std::shared_ptr<hub_signals>& of(hub& h);

  // Starts listening, to all or (throwing std::system_error, hub_closed, bad_alloc) none of l.wanted.
  void listen(signal_listener& l);
  // Stops. `unheard`: signals that arrived for it and were taken by nobody.
  void unlisten(signal_listener& l, std::uint64_t unheard) noexcept;
  signal_port& port(int number);
  // The hub is about to end.
  void end() noexcept;

  hub* home;
  std::unique_ptr<signal_port> ports[most_signals + 1];
  wait_list listeners;
  std::list<std::shared_ptr<signal_call>> calls;  // on_signal's, while active
  std::size_t count = 0;                          // listeners
  bool was_reported = false;
  bool ended = false;
};

// Does to the process, now, what the signal does by default.
void die_of(int number) noexcept;

// The hub whose main fiber SIGINT cancels when nobody listens to it (signal_interrupt.cpp).
// In the handler, and then on that hub.
void interrupt_arrived() noexcept;
void interrupt_heard_by_listener() noexcept;
bool interrupt_main(const signal_port& p) noexcept;
void interrupt_end(const hub_signals& s) noexcept;

// Puts Weft's handler in place for a signal that nobody listens to; false when the disposition is not the default one.
bool take_default_signal(signal_port& p) noexcept;
void give_back_default_signal(int number) noexcept;

}  // namespace weft::detail
