// Which green thread a signal is for, and how it hears of it.
//
// As in the kernel (complete_signal): a signal to the process goes to the leader if that one lets it in, else to any thread that does, the
// running one first. Nobody: it goes back to the kernel, which holds it until somebody unblocks it or asks for it.

#include "core/due.hpp"
#include "core/hub.hpp"
#include "green/file_owners.hpp"
#include "green/signals.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

using detail::fiber_state;

// A signal that came while Weft's own code ran. Used from within interruptions, so nothing here is ever unfinished.
struct arrival {
  arrival* next;
  sys::atomic<unsigned> used;
  bool mapped;  // made for want of a free one
  std::uint32_t to;
  siginfo_t info;
};

constexpr int most_kept = 64;
arrival kept[most_kept];
sys::atomic<arrival*> arrived;

core::remote_node bell;
sys::atomic<unsigned> rung;

arrival* take_arrival() noexcept {
  for (arrival& a : kept)
    if (a.used.load_relaxed() == 0 && a.used.exchange(1) == 0) return &a;
  auto* a = static_cast<arrival*>(sys::map(sys::page_size));
  if (a != nullptr) a->mapped = true;
  return a;
}

void give_back(arrival* a) noexcept {
  if (a->mapped)
    sys::unmap(a, sys::page_size);
  else
    a->used.store_release(0);
}

bool waits_for(const thread& t, int number) noexcept { return (more(t).waited_for & signal_bit(number)) != 0; }

bool lets_in(const thread& t, int number) noexcept {
  return !t.signals_over && ((t.signals.mask & signal_bit(number)) == 0 || waits_for(t, number));
}

thread* choose(int number) noexcept {
  if (thread& l = leader(); l.alive && lets_in(l, number)) return &l;
  if (thread* t = self(); t != nullptr && lets_in(*t, number)) return t;
  thread* found = nullptr;
  each([&](thread& t) {
    if (found == nullptr && lets_in(t, number)) found = &t;
  });
  return found;
}

// In the place of the thread's call `number` came to: 0 or -errno.
long give(thread& t, int number, const siginfo_t& info, bool shared) noexcept {
  const bool blocked = (t.signals.mask & signal_bit(number)) != 0;
  if (!blocked && !waits_for(t, number)) {
    const signal_action a = io::action_of(number);
    if (is_ignored(a, number)) return 0;
    if (a.handler == reinterpret_cast<void*>(SIG_DFL)) {
      carry_out(number, info);
      return 0;
    }
  }
  const long error = add_pending(t, number, info, shared);
  if (error == 0 && (!blocked || waits_for(t, number))) notify(t);
  return error;
}

void back_to_kernel(int number, const siginfo_t& info) noexcept {
  if ((kernel_mask() & signal_bit(number)) == 0) return;
  sync_kernel_mask(true);
  const long process = sys::raw(SYS_getpid);
  if (sys::raw(SYS_rt_sigqueueinfo, process, number, &info) != 0) sys::raw(SYS_kill, process, number);
}

}  // namespace

void notify(thread& t) noexcept {
  fiber_base* f = t.fiber;
  if (deliverable(t) != 0) asm volatile("orb %1, %0" : "+m"(f->call) : "i"(detail::signal_due) : "memory", "cc");
  if (f->state == fiber_state::running) {
    home->block->due |= core::due_signals;
  } else if (f->state == fiber_state::parked && f->parked != nullptr && (f->call & detail::in_call) != 0 &&
             !f->parked->uninterruptible) {
    detail::unpark(*f->parked, detail::wake::signalled);
  }
}

long send_to(thread& t, int number, const siginfo_t& info) noexcept {
  if (number == SIGKILL || number == SIGSTOP) {
    const long process = sys::raw(SYS_getpid);
    return sys::raw(SYS_tgkill, process, home->thread, number);
  }
  if (t.signals_over) return 0;
  const std::uint64_t bit = signal_bit(number);
  const bool in_signalfd = (sets_of_signalfds & t.signals.mask & kernel_mask() & bit) != 0 && !waits_for(t, number);
  if (in_signalfd && sys::raw(SYS_rt_sigqueueinfo, sys::raw(SYS_getpid), number, &info) == 0) return 0;
  return give(t, number, info, false);
}

void send_to_any(int number, const siginfo_t& info) noexcept {
  if (thread* t = choose(number))
    give(*t, number, info, true);
  else
    back_to_kernel(number, info);
}

void hand_on(thread& t, std::uint64_t set) noexcept {
  if (t.rare == nullptr) return;
  particulars& s = *t.rare;
  pending_signal* moved = nullptr;
  pending_signal** end = &moved;
  std::uint64_t left = 0;
  pending_signal* before = nullptr;
  for (pending_signal* p = s.first; p != nullptr;) {
    pending_signal* next = p->next;
    const std::uint64_t bit = signal_bit(p->info.si_signo);
    if (p->shared && (set & bit) != 0 && !waits_for(t, p->info.si_signo)) {
      (before != nullptr ? before->next : s.first) = next;
      if (s.last == p) s.last = before;
      p->next = nullptr;
      *end = p;
      end = &p->next;
    } else {
      left |= bit;
      before = p;
    }
    p = next;
  }
  for (const pending_signal* p = moved; p != nullptr; p = p->next)
    if ((left & signal_bit(p->info.si_signo)) == 0) t.signals.pending &= ~signal_bit(p->info.si_signo);
  while (moved != nullptr) {
    pending_signal* p = moved;
    moved = p->next;
    siginfo_t info;
    sys::copy(&info, &p->info, sizeof info);
    free_pending(p);
    send_to_any(info.si_signo, info);
  }
}

void note_arrival(int number, const siginfo_t& info, std::uint32_t to) noexcept {
  arrival* a = take_arrival();
  if (a == nullptr) return;
  sys::copy(&a->info, &info, sizeof info);
  a->info.si_signo = number;
  a->to = to;
  a->next = arrived.load_relaxed();
  while (!arrived.compare_exchange(a->next, a)) {
  }
  home->block->due |= core::due_signals;
  if (rung.exchange(1) != 0) return;
  bell.run = [](hub&, core::remote_node*) noexcept {
    rung.store_seq_cst(0);
    read_arrivals();
  };
  core::hub_post(*home, bell);
}

void send_on(siginfo_t& info, std::uint32_t to) noexcept {
  if (is_timers(info))
    timer_came(info);
  else if (is_files(info))
    file_signal_came(info);
  else if (to == 0)
    send_to_any(info.si_signo, info);
  else if (thread* t = find(to))
    send_to(*t, info.si_signo, info);
}

void read_arrivals() noexcept {
  while (arrival* oldest = core::oldest_first(arrived.exchange(nullptr))) {
    while (oldest != nullptr) {
      arrival* a = oldest;
      oldest = a->next;
      siginfo_t info;
      sys::copy(&info, &a->info, sizeof info);
      const std::uint32_t to = a->to;
      give_back(a);
      send_on(info, to);
    }
  }
}

bool is_bell(core::remote_node* n) noexcept {
  if (n != &bell) return false;
  rung.store_relaxed(0);
  return true;
}

void drop_arrivals() noexcept {
  while (arrival* a = arrived.exchange(nullptr))
    while (a != nullptr) {
      arrival* next = a->next;
      give_back(a);
      a = next;
    }
}

}  // namespace weft::green
