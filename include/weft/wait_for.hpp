// One waitable with a limit: wait_for cancels what does not come in time, shield keeps it from that. After asyncio.
#pragma once

#include <chrono>
#include <concepts>
#include <type_traits>
#include <utility>

#include "weft/any_waitable.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"

namespace weft {

namespace detail {

// Waits until it is done; at the deadline, and when the caller is cancelled, cancels it and waits until it is over. Throws timeout_error
// when that ended it, or when it cannot be cancelled.
WEFT_API void wait_or_cancel(waitable_ref what, nanos deadline);


}  // namespace detail

// A waitable that cannot be cancelled through this name: made by shield().
template <waitable W>
class shielded {
public:
  using value_type = typename W::value_type;
  using held = std::conditional_t<std::is_copy_constructible_v<W>, W, W&>;

  explicit shielded(W& w) : of_(w) {}

  bool done() const { return of_.done(); }
  std::exception_ptr exception() const { return of_.exception(); }
  bool was_cancelled() const { return detail::waitable_ref::to<W>(of_).was_cancelled(); }
  detail::completion_view weft_completion() const { return of_.weft_completion(); }
  value_type get() const { return const_cast<W&>(static_cast<const W&>(of_)).get(); }

private:
  held of_;
};

// The same waitable, without cancel(): wait_for(shield(f), 1s) and gather(shield(f)) leave `f` running when they give up.
template <class W>
  requires waitable_value<std::remove_cvref_t<W>> && (std::is_lvalue_reference_v<W> || std::is_copy_constructible_v<W>)
auto shield(W&& w) {
  return shielded<std::remove_cvref_t<W>>(const_cast<std::remove_cvref_t<W>&>(static_cast<const std::remove_cvref_t<W>&>(w)));
}

// Waits for the result for at most `d` and returns it; throws what it failed with (asyncio.wait_for). When `d` passes first, or the
// caller is cancelled, a fiber or task is cancelled and waited for; if it ends with a value all the same, that is returned. Parks. Throws
// timeout_error, fiber_cancelled, cancelled, self_join, wrong_hub, deadlock.
template <class W, class Rep, class Period>
  requires waitable_value<std::remove_cvref_t<W>>
auto wait_for(W&& w, std::chrono::duration<Rep, Period> d) {
  detail::wait_or_cancel(detail::waitable_ref::to<std::remove_cvref_t<W>>(w), detail::deadline_after(detail::current_hub(), d));
  return w.get();
}
// The same for a task that is not running yet (task.hpp): it is spawned.
template <class T, class Rep, class Period>
  requires(!waitable<std::remove_cvref_t<T>> && !std::invocable<T> && requires(T&& t) { spawn(spawn_options{}, std::forward<T>(t)); })
auto wait_for(T&& t, std::chrono::duration<Rep, Period> d) {
  return weft::wait_for(spawn(spawn_options{}, std::forward<T>(t)), d);
}
// Runs fn() here for at most `d`: fail_after the other way round.
template <std::invocable F, class Rep, class Period>
  requires(!waitable<std::remove_cvref_t<F>>)
auto wait_for(F&& fn, std::chrono::duration<Rep, Period> d) {
  return fail_after(d, std::forward<F>(fn));
}

}  // namespace weft
