#include "io/door.hpp"

#include <cerrno>

#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// In carrier::vfork_pid, beside a process id (at most 2^22): the mark stays, since parent and child run at the same time.
constexpr std::uint32_t for_good = 1u << 31;

std::uint32_t own_pid() noexcept { return static_cast<std::uint32_t>(sys::raw(SYS_getpid)); }

bool in_shared_child(detail::carrier* c) noexcept {
  const std::uint32_t mark = c->vfork_pid;
  if (mark == 0) [[likely]]
    return false;
  if ((mark & ~for_good) != own_pid()) return true;
  if ((mark & for_good) == 0) c->vfork_pid = 0;
  return false;
}

}  // namespace

hub* own_hub() noexcept {
  if (!detail::attached()) return nullptr;
  detail::carrier* c = detail::this_carrier();
  // A fiber that is parked or over cannot make a call: this is a signal handler that interrupted the hub.
  if (c->home == nullptr || c->in_weft != 0 || c->current->state != detail::fiber_state::running) return nullptr;
  return in_shared_child(c) ? nullptr : c->home;
}

hub* hub_at_rest() noexcept {
  hub* h = own_hub();
  if (h == nullptr) return nullptr;
  const detail::fiber_base* self = h->block->current;
  if ((self->call & detail::in_call) != 0) return nullptr;
  const bool in_handler = h->handler.fiber == self && reinterpret_cast<std::uint64_t>(__builtin_frame_address(0)) < h->handler.frame;
  return in_handler ? nullptr : h;
}

hub* interrupted_hub() noexcept {
  if (!detail::attached()) return nullptr;
  detail::carrier* c = detail::this_carrier();
  return c->home == nullptr || in_shared_child(c) ? nullptr : c->home;
}

bool settle(hub& h, detail::fiber_base* self, long& result) noexcept {
  handled ran = handled::none;
  if (self->green && of_threads.settle != nullptr)
    of_threads.settle(h, self, result);
  else
    ran = run_due_signals(h, self);
  if (!is_ended(result) || result == begins_again) return false;
  if (result == signalled || result == signalled_for_good) {
    const bool again = result == signalled && ran != handled::fail;
    result = -EINTR;
    return again;
  }
  switch (why_ended(result)) {
    case wake::impossible: result = passes; break;  // on a signal stack: wait as the thread
    case wake::deadlock: result = -EDEADLK; break;
    default: result = -ECANCELED;
  }
  return false;
}

hub* doubtful_company() noexcept {
  hub* h = own_hub();
  if (h == nullptr) return nullptr;
  const bool others = h->live > 1 || h->main.all_next != nullptr || h->ready_first != nullptr || !h->timers.empty() ||
                      h->virtual_time || h->external.load_relaxed() != 0;
  return others ? h : nullptr;
}

void expect_child(bool waits) noexcept {
  if (!detail::attached()) return;
  detail::carrier* c = detail::this_carrier();
  if (in_shared_child(c)) return;
  c->vfork_pid = own_pid() | (waits ? 0 : for_good);
}

}  // namespace weft::io
