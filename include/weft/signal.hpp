// Signals that fibers wait for, after trio.open_signal_receiver, and functions called on signals, after asyncio's add_signal_handler.
//
// While anybody listens to a signal, Weft's handler stands in for its disposition, in the whole process; when the last listener goes,
// what was there before is put back. Every hub that listens is told, whichever OS thread the kernel interrupted. As with
// signals in general, arrivals that were not yet taken count as one, and one that all threads block never arrives. Signals of
// faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL), SIGKILL and SIGSTOP cannot be listened to.
//
// SIGINT: when the first hub of the process's main thread is made and SIGINT's disposition is the default one, Ctrl-C cancels the
// main fiber (asyncio), unless the program listens to SIGINT or sets a handler of its own. A second SIGINT ends the process at
// once. A main that ends by that `cancelled`, uncaught, runs exit() (other fibers are cancelled and joined, atexit handlers run)
// and dies of SIGINT, which a shell shows as status 130.
#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "weft/detail/run_here.hpp"
#include "weft/detail/wait.hpp"

namespace weft {

namespace detail {
struct signal_reception;
struct signal_call;

struct signal_waiter : waiter {
  signal_waiter() noexcept : waiter("signal_wait") {}
  int number = 0;
};
}  // namespace detail

// Listens from its construction to its destruction, so that no signal between two waits is lost. Belongs to the hub that made it.
class WEFT_API signal_receiver {
public:
  // Throws std::system_error (EINVAL) for a number that cannot be listened to, hub_closed when main is over already.
  explicit signal_receiver(std::initializer_list<int> signals);
  explicit signal_receiver(int signal) : signal_receiver({signal}) {}
  signal_receiver(const signal_receiver&) = delete;
  signal_receiver& operator=(const signal_receiver&) = delete;
  // What arrived but was not taken is raised again when nobody else listens: it meets the disposition of before (trio).
  ~signal_receiver();

  // Parks until one of the signals arrives; its number. Of several that arrived the lowest comes first. Each arrival wakes one of
  // the fibers that wait here, the one that has waited longest. Throws cancelled, wrong_hub.
  int wait() { return wait_to(detail::never); }
  // Same, for at most `d`; empty when none arrived in time.
  template <class Rep, class Period>
  std::optional<int> wait_for(std::chrono::duration<Rep, Period> d) {
    const int signal = wait_to(detail::deadline_after(detail::current_hub(), d));
    return signal != 0 ? std::optional(signal) : std::nullopt;
  }
  // A signal that has arrived, if there is one. Never parks.
  std::optional<int> try_wait();

private:
  friend struct detail::task_access;

  // The number of one that has arrived; 0 when there is none.
  int take_now();
  detail::wait_list& line() noexcept;
  int wait_to(detail::nanos deadline);

  std::unique_ptr<detail::signal_reception> reception_;
};

// Parks until one of the signals arrives; its number (sigwait, but the signal need not be blocked). Listens only while it waits:
// use a signal_receiver to wait more than once. Throws cancelled, std::system_error (EINVAL), hub_closed.
inline int signal_wait(std::initializer_list<int> signals) { return signal_receiver(signals).wait(); }
inline int signal_wait(int signal) { return signal_wait({signal}); }
// Same, for at most `d`; empty when none arrived in time (sigtimedwait).
template <class Rep, class Period>
std::optional<int> signal_wait_for(std::initializer_list<int> signals, std::chrono::duration<Rep, Period> d) {
  return signal_receiver(signals).wait_for(d);
}
template <class Rep, class Period>
std::optional<int> signal_wait_for(int signal, std::chrono::duration<Rep, Period> d) {
  return signal_wait_for({signal}, d);
}

// Names a function that on_signal installed. Copyable; dropping it does not remove the function (asyncio).
class WEFT_API signal_handle {
public:
  signal_handle() noexcept = default;
  explicit signal_handle(std::shared_ptr<detail::signal_call> call) noexcept : call_(std::move(call)) {}

  // No further call begins; fibers that run one are left to end. True when it was active. Never parks. Throws wrong_hub.
  bool cancel();
  // The function is installed. False on an empty handle.
  bool active() const noexcept;

private:
  std::shared_ptr<detail::signal_call> call_;
};

namespace detail {
WEFT_API signal_handle call_on_signal(int signal, std::function<void(int)> fn);
}

// Calls fn(number), or fn(), on this hub each time the signal arrives, in a fiber of its own, so it may park; calls may overlap. What
// it throws is reported as an unobserved failure. Several functions for one signal are all called, in the order of installation. It
// does not keep main from ending. Never parks. Throws std::system_error (EINVAL), hub_closed, bad_alloc.
template <class F>
  requires std::is_invocable_v<std::decay_t<F>&, int> || std::is_invocable_v<std::decay_t<F>&>
signal_handle on_signal(int signal, F&& fn) {
  if constexpr (std::is_invocable_v<std::decay_t<F>&, int>)
    return detail::call_on_signal(signal, [fn = std::forward<F>(fn)](int number) mutable { detail::run_here(fn, number); });
  else
    return detail::call_on_signal(signal, [fn = std::forward<F>(fn)](int) mutable { detail::run_here(fn); });
}

}  // namespace weft
