#include "io/offload.hpp"

#include <cerrno>
#include <csignal>
#include <new>
#include <sys/resource.h>

#include "core/trace.hpp"
#include "io/offload_op.hpp"
#include "io/offload_ring.hpp"
#include "io/offload_threads.hpp"
#include "sys/mem.hpp"

namespace weft::io {
namespace {

offload_op& op_of(detail::list_link* l) noexcept {
  return *reinterpret_cast<offload_op*>(reinterpret_cast<char*>(l) - offsetof(offload_op, link));
}

constexpr std::size_t state_bytes = sys::page_size;
static_assert(sizeof(offload_state) + sizeof(offload_ring) + 64 <= state_bytes);

void end(hub& h) noexcept {
  offload_state* s = h.offload;
  if (s == nullptr) return;
  h.offload = nullptr;
  if (s->ring != nullptr) s->ring->close(h);
  // Fibers that did not end may still have calls under way, which will look for this.
  if (s->calls.next != &s->calls) return;
  while (s->posting.load_acquire() != 0) sys::raw(SYS_sched_yield);
  sys::unmap(s, state_bytes);
}

offload_state* state_of(hub& h) noexcept {
  if (h.offload != nullptr) return h.offload;
  void* at = sys::map(state_bytes);
  if (at == nullptr) return nullptr;
  core::end_offload = end;
  return h.offload = new (at) offload_state;
}

// The ring is opened by the first call that wants one, and once only; it stands behind the state.
offload_ring* ring_of(hub& h, offload_state& s) noexcept {
  if (s.ring == nullptr && !s.ring_tried) {
    s.ring_tried = true;
    s.ring = offload_ring::open(h, reinterpret_cast<char*>(&s) + sys::round_up(sizeof s, 64));
  }
  return s.ring;
}

// Hands it to the ring or to a thread. False: nobody takes it.
bool start(hub& h, offload_state& s, offload_op& op) noexcept {
  const inside_weft guard(h);
  op.over = op.again = op.asked = op.in_ring = false;
  if (op.call.by_ring && can_ring(op.call))
    if (offload_ring* ring = ring_of(h, s); ring != nullptr && ring->start(h, op)) return true;
  return start_by_thread(op);
}

void let_go(hub& h, offload_state& s, offload_op& op) noexcept {
  const inside_weft guard(h);
  if (op.in_ring)
    s.ring->cancel(op);
  else
    interrupt_thread(op);
}

// The kernel sends these to the thread that makes the call; ours has them blocked.
void send_on(long result) noexcept {
  int signal = 0;
  if (result == -EPIPE) {
    signal = SIGPIPE;
  } else {
    rlimit limit{};
    if (sys::raw(SYS_prlimit64, 0, RLIMIT_FSIZE, nullptr, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) signal = SIGXFSZ;
  }
  if (signal != 0) sys::raw(SYS_tgkill, sys::raw(SYS_getpid), sys::raw(SYS_gettid), signal);
}

// Pauses between two attempts to interrupt a call: the first one nearly always suffices (offload_worker.hpp).
constexpr nanos first_patience = 1'000'000, most_patience = 64'000'000;

// Parks until the kernel has let go of the call. `pending`, or why it was asked to.
wake wait_for(hub& h, offload_state& s, offload_op& op, nanos deadline, const char* reason) noexcept {
  wake asked = wake::pending;
  nanos patience = first_patience;
  while (!op.over) {
    detail::waiter w(reason);
    op.parked = &w;
    w.uncancellable = op.call.uncancellable || asked != wake::pending;
    w.uninterruptible = asked != wake::pending || op.kind == offload_kind::brief;
    const wake why = detail::park(h, w, asked == wake::pending ? deadline : detail::now(h) + patience);
    op.parked = nullptr;
    if (op.over) break;
    if (asked == wake::pending)
      asked = why;
    else if (patience < most_patience)
      patience *= 2;
    op.asked = true;
    let_go(h, s, op);
  }
  return asked;
}

long run(hub& h, offload_state& s, offload_op& op, nanos deadline, const char* reason) noexcept {
  for (;;) {
    if (!start(h, s, op)) {
      if (op.kind == offload_kind::waits) return -EAGAIN;
      const long* a = op.call.args;
      return sys::call6(op.call.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    op.link.prev = s.calls.prev;
    op.link.next = &s.calls;
    s.calls.prev->next = &op.link;
    s.calls.prev = &op.link;
    if (h.traced) [[unlikely]]
      core::trace::offload(h, op.call.nr, op.in_ring ? core::trace::to_ring : core::trace::to_thread);
    const wake asked = op.over ? wake::pending : wait_for(h, s, op, deadline, reason);
    op.link.unlink();
    if (h.traced) [[unlikely]]
      core::trace::done(h, op.maker, op.result);
    const bool unmade = op.again || op.result == -EINTR || op.result == -ECANCELED;
    if (unmade && asked != wake::pending) return ended_by(asked);
    if (!op.again) return op.result;
    op.call.by_ring = false;
  }
}

}  // namespace

void op_over(offload_op& op, long result) noexcept {
  op.result = result;
  op.over = true;
  if (op.parked != nullptr) detail::unpark(*op.parked);
}

long offload(hub& h, const offload_call& call, nanos deadline, const char* reason, offload_kind kind) noexcept {
  if (core::parking_impossible(h)) return ended_by(wake::impossible);
  if (const wake due = detail::cancellation_due(h); due != wake::pending && !call.uncancellable) return ended_by(due);
  offload_state* s = state_of(h);
  if (s == nullptr) return -ENOMEM;
  offload_op op(h, *s, call, kind);
  // Somebody outside has work of ours: no deadlock, and a virtual clock stands still.
  h.external.add(1);
  ++h.fd_waiters;
  ++h.stats.offloads;
  const long result = run(h, *s, op, deadline, reason);
  --h.fd_waiters;
  h.external.sub(1);
  if (result == -EPIPE || result == -EFBIG) send_on(result);
  return result;
}

bool ring_takes(hub& h, const offload_call& call) noexcept {
  offload_state* s = state_of(h);
  if (s == nullptr || !can_ring(call)) return false;
  const inside_weft guard(h);
  const offload_ring* ring = ring_of(h, *s);
  return ring != nullptr && ring->supports(call);
}

void credentials_changed() noexcept { retire_threads(); }

void offload_after_fork(hub& h) noexcept {
  forget_threads();
  offload_state* s = h.offload;
  if (s == nullptr) return;
  s->posting.store_relaxed(0);
  if (s->ring != nullptr) s->ring->drop_in_child(h);
  s->ring = nullptr;
  s->ring_tried = false;
  for (detail::list_link* l = s->calls.next; l != &s->calls; l = l->next) {
    offload_op& op = op_of(l);
    if (op.over) continue;
    op.again = op.kind == offload_kind::waits;
    op_over(op, -EINTR);
  }
}

void forget_calls_of_threads(hub& h) noexcept {
  offload_state* s = h.offload;
  if (s == nullptr) return;
  detail::list_link* next;
  for (detail::list_link* l = s->calls.next; l != &s->calls; l = next) {
    next = l->next;
    if (!op_of(l).maker->green) continue;
    l->prev->next = next;
    next->prev = l->prev;
  }
}

int ring_descriptor(const hub& h) noexcept {
  return h.offload == nullptr || h.offload->ring == nullptr ? -1 : h.offload->ring->descriptor();
}

int move_ring(hub& h) noexcept { return h.offload->ring->move(h); }

}  // namespace weft::io
