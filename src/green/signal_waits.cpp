// Calls of green threads that wait for signals, or wait with a signal mask of their own.
#include <cerrno>
#include <ctime>
#include <poll.h>
#include <sys/time.h>

#include "core/due.hpp"
#include "core/hub.hpp"
#include "green/signals.hpp"
#include "io/door.hpp"
#include "io/frame_words.hpp"
#include "io/durations.hpp"
#include "io/epoll.hpp"
#include "io/mask_watch.hpp"
#include "io/ops.hpp"
#include "io/signal_waits.hpp"
#include "io/user_memory.hpp"
#include "io/wait_fd.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

using detail::nanos;
using detail::never;
using io::cooperate_on;
using io::pointer;

// Runs `op(hub)` while the thread's mask is the one at `mask_at`. A handler that ends the call runs under that mask, and goes back to the
// thread's own (sigsuspend(2)); a call that ends otherwise has its own mask back before any other handler runs.
// `interruptible_at_once`: a signal that is let in ends even a call that found nothing and was not to wait.
template <class Op>
door_answer with_mask(thread& t, door_frame* f, long mask_at, bool interruptible_at_once, Op op) noexcept {
  std::uint64_t set;
  if (!io::copy_in(&set, pointer<const void>(mask_at), sizeof set)) return answer(-EFAULT);
  if (make_more(t) == nullptr) return answer(-ENOMEM);
  t.rare->kept_mask = t.signals.mask;
  t.masked_for_call = true;
  set_mask(t, set);
  door_answer got = cooperate_on(*home, f->vectors != 0, op);
  read_arrivals();
  if (got.result == 0 && interruptible_at_once && deliverable(t) != 0) got.result = -EINTR;
  if (got.result != -EINTR) {
    t.masked_for_call = false;
    set_mask(t, t.rare->kept_mask);
  }
  home->block->due |= core::due_signals;
  return got;
}

door_answer on_rt_sigsuspend(door_frame* f, long nr) noexcept {
  thread* t = signal_caller();
  if (t == nullptr || f->rsi != static_cast<long>(set_bytes)) return below(f, nr);
  return with_mask(*t, f, f->rdi, true, [](hub& h) { return io::pause(h); });
}

door_answer on_ppoll(door_frame* f, long nr) noexcept {
  thread* t = signal_caller();
  if (t == nullptr || f->r10 == 0 || f->r8 != static_cast<long>(set_bytes)) return below(f, nr);
  return with_mask(*t, f, f->r10, true, [f](hub& h) {
    return io::ppoll(h, pointer<pollfd>(f->rdi), static_cast<unsigned>(f->rsi), pointer<timespec>(f->rdx), nullptr, set_bytes);
  });
}

door_answer on_pselect(door_frame* f, long nr) noexcept {
  struct {
    long mask, size;
  } given{};
  thread* t = signal_caller();
  if (t == nullptr || f->r9 == 0) return below(f, nr);
  if (!io::copy_in(&given, pointer<const void>(f->r9), sizeof given)) return answer(-EFAULT);
  if (given.mask == 0 || given.size != static_cast<long>(set_bytes)) return below(f, nr);
  return with_mask(*t, f, given.mask, true, [f](hub& h) {
    return io::pselect(h, static_cast<int>(f->rdi), pointer<void>(f->rsi), pointer<void>(f->rdx), pointer<void>(f->r10),
                       pointer<timespec>(f->r8), nullptr);
  });
}

door_answer epoll(thread& t, door_frame* f, nanos limit) noexcept {
  return with_mask(t, f, f->r8, false, [f, limit](hub& h) {
    return io::epoll_wait(h, static_cast<int>(f->rdi), pointer<epoll_event>(f->rsi), static_cast<int>(f->rdx), limit, nullptr, set_bytes);
  });
}

door_answer on_epoll_pwait(door_frame* f, long nr) noexcept {
  thread* t = signal_caller();
  if (t == nullptr || f->r8 == 0 || f->r9 != static_cast<long>(set_bytes)) return below(f, nr);
  const int ms = static_cast<int>(f->r10);
  return epoll(*t, f, ms < 0 ? never : static_cast<nanos>(ms) * 1'000'000);
}

door_answer on_epoll_pwait2(door_frame* f, long nr) noexcept {
  thread* t = signal_caller();
  if (t == nullptr || f->r8 == 0 || f->r9 != static_cast<long>(set_bytes)) return below(f, nr);
  nanos limit;
  if (const long error = io::take_limit(pointer<const timespec>(f->r10), limit); error != 0) return answer(error);
  return epoll(*t, f, limit);
}

// ---- rt_sigtimedwait

constexpr std::uint64_t never_in_kernel = signal_bit(cancel_signal) | signal_bit(setxid_signal);

// One of the set, if it is there: its number. -EAGAIN: none.
long take_now(thread& t, std::uint64_t set, siginfo_t& info) noexcept {
  read_arrivals();
  bool shared;
  if (take_pending(t, set, info, shared)) return info.si_signo;
  const std::uint64_t real = set & ~never_in_kernel;
  if (real == 0) return -EAGAIN;
  const timespec none{};
  const long got = sys::raw(SYS_rt_sigtimedwait, &real, &info, &none, set_bytes);
  return got == -EINTR ? -EAGAIN : got;
}

// Until something may be there. A signal of the set that came to the thread itself ends it as any other does.
long wait_once(hub& h, int fd, nanos deadline) noexcept {
  core::fd_entry* e = fd < 0 ? nullptr : h.fds.get(fd);
  if (e != nullptr) return io::wait_fd(h, fd, *e, poller::in, deadline, "sigtimedwait");
  detail::waiter w("sigtimedwait");
  const detail::wake why = detail::park(h, w, deadline);
  return why == detail::wake::ready ? 0 : io::ended_by(why);
}

long timed_wait(hub& h, thread& t, std::uint64_t set, siginfo_t& info, nanos length) noexcept {
  long got = take_now(t, set, info);
  if (got != -EAGAIN || length == 0) return got;
  const nanos deadline = io::deadline_in(h, length);
  // What is sent to the process is found in the kernel as long as every thread blocks it.
  const int fd = (set & ~never_in_kernel) != 0 ? io::open_signalfd(&set) : -1;
  if (make_more(t) == nullptr) {
    io::close_signalfd(h, fd);
    return -ENOMEM;
  }
  t.rare->waited_for = set;
  for (;;) {
    got = take_now(t, set, info);
    if (got != -EAGAIN) break;
    const long waited = wait_once(h, fd, deadline);
    got = take_now(t, set, info);
    if (got != -EAGAIN || waited == io::timed_out) break;
    if (waited != 0 && (waited != io::signalled || deliverable(t) != 0)) {
      got = io::never_again(waited);
      break;
    }
  }
  t.rare->waited_for = 0;
  io::close_signalfd(h, fd);
  return got;
}

door_answer on_rt_sigtimedwait(door_frame* f, long nr) noexcept {
  thread* t = signal_caller();
  if (t == nullptr || f->r10 != static_cast<long>(set_bytes)) return below(f, nr);
  std::uint64_t set;
  if (!io::copy_in(&set, pointer<const void>(f->rdi), sizeof set)) return answer(-EFAULT);
  nanos length;
  if (const long error = io::take_limit(pointer<const timespec>(f->rdx), length); error != 0) return answer(error);
  set &= ~never_blocked;
  siginfo_t info;
  const door_answer got =
      cooperate_on(*home, f->vectors != 0, [&](hub& h) { return timed_wait(h, *t, set, info, length); });
  if (got.result > 0 && f->rsi != 0 && !io::copy_out(pointer<void>(f->rsi), &info, sizeof info)) return answer(-EFAULT);
  return got;
}

// ---- signalfd

// Reads of a signalfd see what is pending in the kernel: there goes what is sent to a thread, too, as long as all threads block it.
door_answer on_signalfd(door_frame* f, long nr) noexcept {
  std::uint64_t set;
  if (signal_caller() != nullptr && f->rdx == static_cast<long>(set_bytes) && io::copy_in(&set, pointer<const void>(f->rsi), sizeof set))
    sets_of_signalfds |= set & ~never_in_kernel;
  return below(f, nr);
}

constexpr green_entry rows[] = {
    {SYS_rt_sigsuspend, on_rt_sigsuspend},
    {SYS_ppoll, on_ppoll},
    {SYS_pselect6, on_pselect},
    {SYS_epoll_pwait, on_epoll_pwait},
    {SYS_epoll_pwait2, on_epoll_pwait2},
    {SYS_rt_sigtimedwait, on_rt_sigtimedwait},
    {SYS_signalfd, on_signalfd},
    {SYS_signalfd4, on_signalfd},
};

}  // namespace

green_rows signal_wait_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
