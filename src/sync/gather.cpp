// How gather and wait_for end: failures, the caller's cancellation, and what is stopped then.
#include "weft/gather.hpp"

#include "weft/wait_for.hpp"

namespace weft::detail {
namespace {

// Cancels what is not done and can be, and waits until it is over, whatever happens to the caller.
void stop(hub& h, std::span<const waitable_ref> items) {
  for (const waitable_ref& item : items)
    if (!item.done()) item.cancel();
  for (const waitable_ref& item : items) {
    if (item.done()) continue;
    waiter w("cancelling");
    w.uncancellable = true;
    item.completion().waiters->push_back(w);
    wait_on(h, w);
  }
}

}  // namespace

void gather_wait(std::span<const waitable_ref> items, std::span<const waitable_ref> own, bool settle) {
  hub& h = current_hub();
  try {
    check_cancelled(h);
    countdown links(h, items.size());
    for (const waitable_ref& item : items) links.watch(item.completion());
    for (std::size_t left = items.size(); left > 0; --left) {
      const std::size_t which = links.wait_one(never, "gather");
      if (settle) continue;
      if (auto failure = items[which].failure()) std::rethrow_exception(failure);
    }
  } catch (const cancelled&) {
    for (const waitable_ref& item : items)
      if (!item.done()) item.cancel();
    stop(h, own);
    throw;
  } catch (...) {
    stop(h, own);
    throw;
  }
}

void wait_or_cancel(waitable_ref what, nanos deadline) {
  hub& h = current_hub();
  try {
    if (wait_done(what.completion(), deadline, "wait_for")) return;
  } catch (const cancelled&) {
    if (what.cancel()) stop(h, {&what, 1});
    throw;
  }
  if (!what.cancel()) throw timeout_error();
  wait_done(what.completion(), never, "wait_for");
  if (what.was_cancelled()) throw timeout_error();
}

}  // namespace weft::detail
