// What ends the process, and what a forked child has of its parent's threads: only the one that forked.
#include "core/switch.hpp"
#include "green/begin.hpp"
#include "green/clocks.hpp"
#include "green/credentials.hpp"
#include "green/own_credentials.hpp"
#include "green/end.hpp"
#include "green/fork.hpp"
#include "green/names.hpp"
#include "green/rows.hpp"
#include "green/stack_arena.hpp"
#include "green/stats.hpp"
#include "green/signals.hpp"
#include "io/door.hpp"
#include "io/futex.hpp"
#include "io/offload.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

using detail::fiber_state;

// The wait of a thread that the child does not have: withdrawn from wherever it was linked, and told nothing.
void withdraw(hub& h, fiber_base& f) noexcept {
  for (detail::scope* s = f.innermost; s != nullptr; s = s->parent)
    if (s->timer.position != 0) h.timers.disarm(s->timer);
  detail::waiter* w = f.parked;
  if (w == nullptr) return;
  if (w->linked()) w->unlink();
  if (w->timer.position != 0) h.timers.disarm(w->timer);
  f.parked = nullptr;
}

// The nodes of one descriptor that lie on stacks of threads.
void forget_waiters(hub& h, core::fd_entry& e) noexcept {
  detail::wait_node* next;
  for (detail::wait_node* n = e.waiters.front(); n != nullptr; n = next) {
    next = e.waiters.after(n);
    const auto* node = static_cast<core::fd_node*>(n);
    if (node->target != nullptr && !node->target->fiber->green) continue;
    n->unlink();
    --h.fd_waiters;
  }
}

void keep_only(hub& h, const fiber_base* me) noexcept {
  fiber_base* first = nullptr;
  fiber_base* last = nullptr;
  fiber_base* next;
  for (fiber_base* f = h.ready_first; f != nullptr; f = next) {
    next = f->next;
    if (f->green) continue;
    f->next = nullptr;
    (last != nullptr ? last->next : first) = f;
    last = f;
  }
  h.ready_first = first;
  h.ready_last = last;
  for (fiber_base* f = h.main.all_next; f != nullptr; f = next) {
    next = f->all_next;
    if (!f->green || f == me) continue;
    f->all_prev->all_next = next;
    if (next != nullptr) next->all_prev = f->all_prev;
    f->all_next = f->all_prev = nullptr;
    f->unlisted = true;
  }
}

door_answer on_exit_group(door_frame* f, long nr) noexcept {
  if (home != nullptr && io::own_hub() == home) leave_all_locks();
  // A process without green threads has its figures, too.
  if (before_exit != nullptr && (home == nullptr || io::own_hub() == home)) before_exit();
  return below(f, nr);
}

// A program that forbids itself calls does not know those that Weft makes.
door_answer on_seccomp(door_frame* f, long nr) noexcept {
  constexpr long strict = 0, filter = 1;
  if (f->rdi == strict || f->rdi == filter) forbid_itself();
  return below(f, nr);
}

constexpr green_entry rows[] = {
    {SYS_exit_group, on_exit_group},
    {SYS_seccomp, on_seccomp},
};

}  // namespace

void in_forked_child(hub& h) noexcept {
  thread* me = self();
  if (me == nullptr) return;
  stats_after_fork();
  particulars_after_fork();
  credentials_after_fork();
  io::forget_calls_of_threads(h);
  each([&](thread& t) {
    if (&t == me) return;
    withdraw(h, *t.fiber);
    t.alive = false;
    forget_attributes(t);
    if (t.fiber != &h.main) {
      t.fiber->state = fiber_state::done;
      give_block(t);
    }
  });
  keep_only(h, me->fiber);
  h.fds.each([&](int, core::fd_entry& e) { forget_waiters(h, e); });
  if (h.futex_waiters != 0) io::futex::forget_hub(h);
  h.held_positions = nullptr;  // by calls on stacks of the others; this thread is in none
  h.live = 1;
  h.futex_waiters = 0;
  me->tid = static_cast<std::uint32_t>(sys::raw(SYS_getpid));
  me->exited = false;
  lead(*me);
  alive = 1;
  arena::after_fork();
  name_process_after(*me);
  restart_clocks(*me);
  credentials_in_child();
  if (me->rare != nullptr) me->rare->parent_death = 0;
  natives = io::futex::kernel_may_wait = false;
  stop_ticking();
  signals_in_child(*me);
}

green_rows process_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
