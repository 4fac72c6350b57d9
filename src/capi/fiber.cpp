// weft.h: fibers. A weft_fiber is the fiber's control block, and a handle one reference to it.

#include "capi/body.hpp"
#include "capi/guard.hpp"
#include "core/hub_state.hpp"
#include "core/link_node.hpp"
#include "weft/fiber.hpp"
#include "weft/weft.h"

namespace weft::capi {
namespace {

using detail::fiber_base;
using detail::outcome;

fiber_base* base(weft_fiber* f) noexcept { return reinterpret_cast<fiber_base*>(f); }
const fiber_base* base(const weft_fiber* f) noexcept { return reinterpret_cast<const fiber_base*>(f); }

// Handles can name fibers that C++ code spawned (weft_current): those have no void* to give.
bool made_here(const fiber_base* f) noexcept { return f->ops == &detail::fiber_with_body<void*, c_body>::operations; }

bool is_done(const fiber_base* f) noexcept { return f->state == detail::fiber_state::done; }

bool wait_over(fiber_base* f, std::int64_t timeout, detail::nanos deadline, const char* reason) {
  if (timeout == 0 && !is_done(f) && f != detail::current_fiber() && detail::on_hub(f->home)) return false;
  return detail::wait_done({f->home, is_done(f) ? nullptr : &f->completion, f}, deadline, reason);
}

int take_result(fiber_base* f, void** result) {
  f->observed = true;
  void* value = WEFT_CANCELED;
  switch (f->result) {
    case outcome::no_stack: return fail(ENOMEM);
    case outcome::exception: return fail(ENOTRECOVERABLE);
    case outcome::value: value = made_here(f) ? static_cast<detail::fiber_of<void*>*>(f)->slot.value : nullptr; break;
    default: break;
  }
  if (result != nullptr) *result = value;
  return 0;
}

bool all_there(weft_fiber* const* fibers, std::size_t count) noexcept {
  if (fibers == nullptr) return count == 0;
  for (std::size_t i = 0; i < count; ++i)
    if (fibers[i] == nullptr) return false;
  return true;
}

int join_all(weft_fiber* const* fibers, std::size_t count, std::int64_t timeout) {
  detail::hub& h = detail::current_hub();
  const detail::nanos deadline = deadline_of(h, timeout);
  detail::check_cancelled(h);
  for (std::size_t i = 0; i < count; ++i)
    if (!wait_over(base(fibers[i]), timeout, deadline, "joinall")) return fail(ETIMEDOUT);
  return 0;
}

// A link of weft_link, by which weft_unlink knows it.
struct c_link {
  void (*fn)(weft_fiber*, void*);
  void* arg;
  void operator()(const any_fiber& over) const { fn(reinterpret_cast<weft_fiber*>(over.weft_base()), arg); }
};

// A handle that owns nothing: the caller's reference is only lent.
struct borrowed : any_fiber {
  explicit borrowed(detail::fiber_base* from) noexcept : any_fiber(from) {}
  borrowed(const borrowed&) = delete;
  borrowed& operator=(const borrowed&) = delete;
  ~borrowed() { f_ = nullptr; }
};

}  // namespace
}  // namespace weft::capi

using namespace weft;
using namespace weft::capi;

int weft_spawn(weft_fiber** fiber, void* (*fn)(void*), void* arg) { return weft_spawn_with(fiber, nullptr, fn, arg); }

int weft_spawn_with(weft_fiber** fiber, const weft_spawn_options* options, void* (*fn)(void*), void* arg) {
  if (fn == nullptr) return fail(EINVAL);
  return guarded([&] {
    spawn_options with;
    if (options != nullptr) {
      if (options->name != nullptr) with.name = options->name;
      with.stack_size = options->stack_size;
      if (with.stack_size > std::size_t{1} << core::stack_pool::largest_log2) return fail(ENOMEM);
    }
    detail::fiber_base* f = detail::spawn_block<void*>(with, c_body{fn, arg});
    f->site = __builtin_return_address(0);
    if (fiber != nullptr)
      *fiber = reinterpret_cast<weft_fiber*>(f);
    else
      detail::fiber_release(f);
    return 0;
  });
}

void weft_release(weft_fiber* fiber) {
  if (fiber == nullptr) return;
  const int kept = errno;
  const any_fiber last = any_fiber::weft_adopt(base(fiber));
  errno = kept;
}

weft_fiber* weft_retain(weft_fiber* fiber) {
  if (fiber == nullptr || !detail::on_hub(base(fiber)->home)) {
    errno = fiber == nullptr ? EINVAL : EPERM;
    return nullptr;
  }
  detail::fiber_retain(base(fiber));
  return fiber;
}

int weft_join(weft_fiber* fiber, void** result) { return weft_join_for(fiber, result, WEFT_FOREVER); }

int weft_join_for(weft_fiber* fiber, void** result, int64_t timeout) {
  if (fiber == nullptr) return fail(EINVAL);
  return guarded([&] {
    detail::fiber_base* f = base(fiber);
    if (!wait_over(f, timeout, deadline_of(detail::current_hub(), timeout), "join")) return fail(ETIMEDOUT);
    return take_result(f, result);
  });
}

int weft_joinall(weft_fiber* const* fibers, size_t count, int64_t timeout) {
  if (!all_there(fibers, count)) return fail(EINVAL);
  return guarded([&] { return join_all(fibers, count, timeout); });
}

int weft_wait_any(weft_fiber* const* fibers, size_t count, size_t* which, int64_t timeout) {
  if (!all_there(fibers, count) || count == 0) return fail(EINVAL);
  return guarded([&] {
    detail::hub& h = detail::current_hub();
    detail::check_cancelled(h);
    detail::countdown links(h, count);
    for (std::size_t i = 0; i < count; ++i) {
      detail::fiber_base* f = base(fibers[i]);
      links.watch({f->home, is_done(f) ? nullptr : &f->completion, f});
    }
    if (timeout == 0 && links.first_done == nullptr) return fail(ETIMEDOUT);
    const std::size_t first = links.wait_one(deadline_of(h, timeout), "weft_wait_any");
    if (first == links.none) return fail(ETIMEDOUT);
    if (which != nullptr) *which = first;
    return 0;
  });
}

int weft_link(weft_fiber* fiber, void (*fn)(weft_fiber*, void*), void* arg) {
  if (fiber == nullptr || fn == nullptr) return fail(EINVAL);
  return guarded([&] {
    borrowed(base(fiber)).link(c_link{fn, arg});
    return 0;
  });
}

int weft_unlink(weft_fiber* fiber, void (*fn)(weft_fiber*, void*), void* arg) {
  if (fiber == nullptr || fn == nullptr) return fail(EINVAL);
  return guarded([&] {
    detail::fiber_base* f = base(fiber);
    if (!detail::on_hub(f->home)) return fail(EPERM);
    int removed = 0;
    for (detail::wait_node* n = is_done(f) ? nullptr : f->completion.front(); n != nullptr;) {
      detail::wait_node* const next = f->completion.after(n);
      if (n->notify == detail::link_node::ended) {
        auto* link = static_cast<detail::link_node*>(n);
        const auto* mine = link->fn.target<c_link>();
        if (mine != nullptr && mine->fn == fn && mine->arg == arg && link->remove()) ++removed;
      }
      n = next;
    }
    return removed;
  });
}

int weft_cancel(weft_fiber* fiber) {
  if (fiber == nullptr) return fail(EINVAL);
  return guarded([&] {
    borrowed(base(fiber)).cancel();
  });
}

int weft_killall(weft_fiber* const* fibers, size_t count, int64_t timeout) {
  if (!all_there(fibers, count)) return fail(EINVAL);
  return guarded([&] {
    for (std::size_t i = 0; i < count; ++i)
      if (!detail::on_hub(base(fibers[i])->home)) return fail(EPERM);
    for (std::size_t i = 0; i < count; ++i) detail::fiber_cancel(base(fibers[i]));
    return join_all(fibers, count, timeout);
  });
}

int weft_done(const weft_fiber* fiber) { return fiber != nullptr && is_done(base(fiber)) ? 1 : 0; }

weft_fiber* weft_current(void) {
  return guarded_pointer([] {
    detail::current_hub();
    return reinterpret_cast<weft_fiber*>(detail::current_fiber());
  });
}

const char* weft_name(const weft_fiber* fiber) {
  const detail::fiber_base* f = base(fiber);
  if (f == nullptr) return "";
  if (f->is_main) return "main";
  return f->extra != nullptr && f->extra->name != nullptr ? f->extra->name : "";
}

int weft_sleep(int64_t duration) {
  return guarded([&] {
    detail::hub& h = detail::current_hub();
    this_fiber::detail_::sleep_ns(h, duration > 0 ? static_cast<detail::nanos>(duration) : 0);
  });
}

int weft_yield(void) {
  return guarded([] { this_fiber::yield(); });
}

int weft_cancel_due(void) {
  detail::hub* h = detail::try_hub();
  return h != nullptr && detail::cancellation_due(*h) == detail::wake::cancelled ? 1 : 0;
}
