// The waits of coroutines for several at once, and what is stopped when they end early.
//
// A handler cannot co_await: what was thrown is kept, dealt with behind the handler, and thrown again.
#include "weft/task/wait.hpp"

#include "core/hub_state.hpp"

namespace weft::detail {
namespace {

// Waits until it is over, whatever happens to the task.
class stop_operation : public join_operation {
public:
  explicit stop_operation(completion_view what) : join_operation(what, "cancelling") { uncancellable = true; }
  bool await_ready() const noexcept { return false; }
};

}  // namespace

task<> stop_all(std::span<const waitable_ref> items) {
  for (const waitable_ref& item : items)
    if (!item.done()) item.cancel();
  for (const waitable_ref& item : items)
    if (!item.done()) co_await call<stop_operation>(item.completion());
}

std::size_t countdown_operation::await_resume() {
  of_.parked = nullptr;
  if (result == wake::timeout && of_.first_done == nullptr) return countdown::none;
  if (result != wake::pending && result != wake::ready && result != wake::timeout) throw_if_ended(current_hub(), result, reason);
  return of_.take_one();
}

task<> gather_all(std::span<const waitable_ref> items, std::span<const waitable_ref> own, bool settle) {
  std::exception_ptr failure;
  try {
    hub& h = current_hub();
    check_cancelled(h);
    countdown links(h, items.size());
    for (const waitable_ref& item : items) links.watch(item.completion());
    for (std::size_t left = items.size(); left > 0; --left) {
      const std::size_t which = co_await one_of(links, never, "gather");
      if (settle) continue;
      if (auto e = items[which].failure()) std::rethrow_exception(e);
    }
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure == nullptr) co_return;
  if (core::is_cancelled(failure))
    for (const waitable_ref& item : items)
      if (!item.done()) item.cancel();
  co_await stop_all(own);
  std::rethrow_exception(failure);
}

task<> wait_or_cancel_late(waitable_ref what, nanos deadline) {
  std::exception_ptr failure;
  try {
    const bool in_time = co_await call<join_operation>(what.completion(), "wait_for", deadline);
    if (in_time) co_return;
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure != nullptr) {
    if (core::is_cancelled(failure) && what.cancel()) co_await stop_all({&what, 1});
    std::rethrow_exception(failure);
  }
  if (!what.cancel()) throw timeout_error();
  co_await call<join_operation>(what.completion(), "wait_for", never);
  if (what.was_cancelled()) throw timeout_error();
}

}  // namespace weft::detail
