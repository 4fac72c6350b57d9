// Pending signals of green threads, in the kernel's terms: standard ones are pending or not, with what came with the first; queued ones
// (real-time signals) each count, in order, as long as the process may have that many (RLIMIT_SIGPENDING).
//
// Only for Weft's code at rest: nothing here may be interrupted by something that comes here, too.
#include <cerrno>
#include <sys/resource.h>

#include "green/signals.hpp"
#include "sys/free_list.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

sys::free_list<pending_signal, &pending_signal::next, 16 * sys::page_size> unused;
std::uint64_t queued = 0;

pending_signal* take_record() noexcept {
  pending_signal* p = unused.take();
  if (p != nullptr) ++queued;
  return p;
}

void give_record(pending_signal* p) noexcept {
  unused.give(p);
  --queued;
}

bool may_queue() noexcept {
  rlimit limit{};
  return sys::raw(SYS_prlimit64, 0, RLIMIT_SIGPENDING, nullptr, &limit) != 0 || queued < limit.rlim_cur;
}

pending_signal* unlink(particulars& s, pending_signal* before, pending_signal* p) noexcept {
  (before != nullptr ? before->next : s.first) = p->next;
  if (s.last == p) s.last = before;
  return p;
}

// A timer whose last signal was not handled yet adds to that one's overruns, as the kernel does.
bool add_overrun(const particulars& s, const siginfo_t& info) noexcept {
  if (info.si_code != SI_TIMER) return false;
  for (pending_signal* p = s.first; p != nullptr; p = p->next)
    if (p->info.si_code == SI_TIMER && p->info.si_timerid == info.si_timerid) {
      p->info.si_overrun += 1 + info.si_overrun;
      return true;
    }
  return false;
}

}  // namespace

void free_pending(pending_signal* p) noexcept { give_record(p); }

long add_pending(thread& t, int number, const siginfo_t& info, bool shared) noexcept {
  signal_state& s = t.signals;
  const std::uint64_t bit = signal_bit(number);
  const bool standard = number < first_queued_signal;
  if ((s.pending & bit) != 0 && (standard || add_overrun(more(t), info))) return 0;
  pending_signal* p = make_more(t) != nullptr && (standard || may_queue()) ? take_record() : nullptr;
  // A signal that a program queued fails; one of kill and pthread_kill loses what came with it.
  if (p == nullptr && !standard && info.si_code != SI_USER && info.si_code != SI_TKILL) return -EAGAIN;
  s.pending |= bit;
  if (p == nullptr) return 0;
  p->next = nullptr;
  p->shared = shared;
  sys::copy(&p->info, &info, sizeof p->info);
  p->info.si_signo = number;
  (t.rare->last != nullptr ? t.rare->last->next : t.rare->first) = p;
  t.rare->last = p;
  return 0;
}

bool take_pending(thread& t, std::uint64_t set, siginfo_t& info, bool& shared) noexcept {
  signal_state& s = t.signals;
  set &= s.pending;
  if (set == 0) return false;
  // Those of faults come first, then the lowest.
  constexpr std::uint64_t of_faults = signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) | signal_bit(SIGTRAP) |
                                      signal_bit(SIGFPE) | signal_bit(SIGSYS);
  const int number = __builtin_ctzll((set & of_faults) != 0 ? set & of_faults : set) + 1;
  pending_signal* found = nullptr;
  bool another = false;
  pending_signal* before_found = nullptr;
  for (pending_signal *before = nullptr, *p = more(t).first; p != nullptr; before = p, p = p->next) {
    if (p->info.si_signo != number) continue;
    if (found != nullptr) {
      another = true;
      break;
    }
    found = p;
    before_found = before;
  }
  if (!another) s.pending &= ~signal_bit(number);
  if (found == nullptr) {
    sys::fill(&info, 0, sizeof info);
    info.si_signo = number;
    info.si_code = SI_USER;
    shared = false;
    return true;
  }
  unlink(*t.rare, before_found, found);
  sys::copy(&info, &found->info, sizeof info);
  shared = found->shared;
  give_record(found);
  return true;
}

void drop_pending(thread& t) noexcept {
  while (more(t).first != nullptr) give_record(unlink(*t.rare, nullptr, t.rare->first));
  t.signals.pending = 0;
}

void discard_pending(std::uint64_t set) noexcept {
  each([set](thread& t) {
    signal_state& s = t.signals;
    if ((s.pending & set) == 0) return;
    s.pending &= ~set;
    pending_signal* before = nullptr;
    for (pending_signal* p = more(t).first; p != nullptr;) {
      pending_signal* next = p->next;
      if ((set & signal_bit(p->info.si_signo)) != 0)
        give_record(unlink(*t.rare, before, p));
      else
        before = p;
      p = next;
    }
  });
}

}  // namespace weft::green
