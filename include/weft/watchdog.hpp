// The watchdog: reports a hub that has not turned for too long, because a fiber computes without parking or a call blocks the OS thread
// (asyncio's slow_callback_duration, gevent's monitoring thread).
//
// An OS thread of Weft's own looks at all hubs of the process. A hub is not watched while it sleeps in its poller, or has nothing but
// its main fiber (nobody waits then). WEFT_WATCHDOG=ms starts it with the first hub. The hub's thread is interrupted by a signal
// once a stall, to take its backtrace: an unused real-time signal, whose disposition is put back. A system call that such a signal ends
// is begun again, with its whole timeout.
#pragma once

#include <chrono>
#include <functional>
#include <string_view>

#include "weft/detail/runtime.hpp"

namespace weft {

// One hub that stands still, or has gone on.
struct stall {
  bool over;                              // false: it stands still now; true: it has gone on
  int thread;                             // kernel's id of the hub's OS thread
  std::chrono::nanoseconds lasted;        // so far, or in all; as exact as the watchdog looks, a quarter of its limit
  std::string_view fiber;                 // the running fiber's name: empty when it has none, or it could not be asked
  int system_call;                        // number of the call in which the thread waits; -1: it computes
  std::string_view system_call_name;      // "flock"; empty when it computes or the number is not known
  std::string_view text;                  // the report that is written without a handler, with the backtrace
};

// Reports each hub that has not turned for `limit`, once a stall, and once more when it goes on. Zero or less ends the watch. The
// handler (default: the text on standard error) is called by the watchdog's thread: it must not park, wait for the hub, or throw. When
// this returns, an earlier handler is called no more. Throws std::system_error when the thread cannot be made. A forked child is
// not watched until it calls this.
WEFT_API void watchdog(std::chrono::nanoseconds limit, std::function<void(const stall&)> handler = {});

}  // namespace weft
