#include "io/descriptors.hpp"

#include <cerrno>
#include <ctime>
#include <linux/close_range.h>

#include "io/fd_facts.hpp"
#include "io/offload.hpp"
#include "io/signals.hpp"
#include "io/watchers.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

bool anything_noted(const core::fd_entry& e) noexcept {
  return e.reg.watched != 0 || e.kind != core::fd_kind::unknown || e.drained || e.past_plain;
}

}  // namespace

long make_way(hub& h, int fd) noexcept {
  const bool polls = h.poll->owns(fd);
  if (!polls && fd != ring_descriptor(h)) return -EBUSY;
  const int error = polls ? h.poll->move(fd) : move_ring(h);
  if (error != 0) return error;
  sys::forget_own_descriptor(fd);
  // Another thread may be about to write to the number of the eventfd, which it has just read: it gets there before the number is
  // the program's.
  const timespec moment{0, 1'000'000};
  sys::raw(SYS_nanosleep, &moment, nullptr);
  return 0;
}

void forget_everywhere(hub& h, int fd) noexcept {
  facts::forget(fd);
  core::fd_forget(h, fd);
  tell_watchers(&h, fd);
}

void forget_everywhere(int fd) noexcept {
  facts::forget(fd);
  tell_watchers(nullptr, fd);
}

void forget_range(unsigned first, unsigned last) noexcept {
  facts::forget_range(first, last);
  tell_watchers_of_range(nullptr, first, last);
}

void forget_range(hub& h, unsigned first, unsigned last) noexcept {
  facts::forget_range(first, last);
  tell_watchers_of_range(&h, first, last);
  h.fds.each([&](int fd, core::fd_entry& e) {
    const auto at = static_cast<unsigned>(fd);
    if (at >= first && at <= last && (anything_noted(e) || !e.waiters.empty())) core::fd_forget(h, fd);
  });
}

core::fd_entry* note_new(hub& h, int fd) noexcept {
  core::fd_entry* e = h.fds.get(fd);
  if (e != nullptr && anything_noted(*e)) forget_everywhere(h, fd);
  return e;
}

void look_again(hub& h, int fd) noexcept {
  core::fd_entry* e = h.fds.find(fd);
  if (e == nullptr) return;
  ++e->sequence;
  e->drained = false;
  e->past_plain = true;
}

void forget_kind(hub& h, int fd) noexcept {
  core::fd_entry* e = h.fds.find(fd);
  if (e == nullptr) return;
  e->kind = core::fd_kind::unknown;
  e->drained = false;
}

long close(hub& h, int fd) noexcept {
  if (is_ours(fd)) return -EBADF;
  forget_everywhere(h, fd);
  return sys::raw(SYS_close, fd);
}

long shutdown(hub& h, int fd, int how) noexcept {
  const long got = sys::raw(SYS_shutdown, fd, how);
  if (got != 0) return got;
  look_again(h, fd);
  // The kernel wakes the threads that wait on this socket; to a poller it is no news on every kind of socket.
  if (core::fd_entry* e = h.fds.find(fd)) core::fd_report(h, fd, *e, poller::in | poller::out);
  return 0;
}

long close_range(hub* h, unsigned first, unsigned last, unsigned flags) noexcept {
  if ((flags & CLOSE_RANGE_CLOEXEC) != 0 || first > last) return sys::raw(SYS_close_range, first, last, flags);
  if (h != nullptr)
    forget_range(*h, first, last);
  else
    forget_range(first, last);
  constexpr unsigned no_number = 1u << 30;
  while (first < no_number) {
    const int own = sys::next_own_descriptor(static_cast<int>(first));
    if (own < 0 || static_cast<unsigned>(own) > last) break;
    const auto at = static_cast<unsigned>(own);
    if (at > first)
      if (const long got = sys::raw(SYS_close_range, first, at - 1, flags); got < 0) return got;
    if (at == last) return 0;
    first = at + 1;
  }
  return sys::raw(SYS_close_range, first, last, flags);
}

long renew_poller(hub& h) noexcept {
  forget_recorded_signals(h);
  only_watcher(h);
  // What was sent goes to its waiters while these are all there, those of threads that the child will not have included: their stacks
  // still lie in the child's memory, and what it makes ready is dropped with them (green/process.cpp).
  core::with_vectors_saved(h, h.block->current, [](hub& hub, detail::fiber_base*) noexcept { core::take_remote(hub); });
  watch_alone(h);
  offload_after_fork(h);
  const long error = h.poll->reopen();
  if (error != 0) return error;
  h.fds.each([&](int fd, core::fd_entry& e) {
    // The old registrations went with the old poller: forgetting them must not reach the parent's.
    e.reg.watched = 0;
    h.poll->forget(fd, e.reg);
    ++e.sequence;
    e.drained = false;
    std::uint32_t events = 0;
    for (detail::wait_node* n = e.waiters.front(); n != nullptr; n = e.waiters.after(n))
      events |= static_cast<core::fd_node*>(n)->events;
    if (events != 0 && h.poll->watch(fd, events, e.reg) != 0) core::fd_report(h, fd, e, poller::err);
  });
  return 0;
}

}  // namespace weft::io
