// prctl(2) of one thread, and the names of threads in /proc (proc_paths.cpp). The leader's name is the process's, which ps shows: the
// kernel keeps it, too.
#include "green/begin.hpp"
#include "green/names.hpp"

#include <cerrno>
#include <sys/prctl.h>

#include "core/trace.hpp"
#include "green/caller.hpp"
#include "green/proc_paths.hpp"
#include "green/rows.hpp"
#include "green/user_text.hpp"
#include "io/user_memory.hpp"
#include "io/user_word.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

// The process's when its first thread was made: of threads that were given none by a maker with another one.
char process_name[name_bytes];

door_answer set_own(thread& t, const char* user) noexcept {
  char name[name_bytes];
  const long length = copy_text(name, sizeof name, user);
  if (length < 0) return answer(-EFAULT);
  set_name(t, name, static_cast<std::size_t>(length));
  return answer(0);
}

// The kernel writes its own name there, which shows that it can be written to, and how much of it.
door_answer get_own(const thread& t, char* user) noexcept {
  const long got = sys::raw(SYS_prctl, PR_GET_NAME, user);
  if (got == 0) name_of(t, user);
  return answer(got);
}

bool parent_deaths_kept = false;

bool store_int(long user, int value) noexcept {
  std::uint32_t seen = 0;
  if (user % 4 != 0) return false;
  for (bool swapped = false; !swapped;)
    if (!io::exchange_word(reinterpret_cast<void*>(user), seen, static_cast<std::uint32_t>(value), swapped)) return false;
  return true;
}

// Between the program's text and the kernel stand sites and trampolines of Weft's, whose calls would be taken for others than those the
// program means by its range of addresses; and the selector is the OS thread's. Refused as by a kernel that has no such thing.
bool is_user_dispatch(const door_frame* f) noexcept {
  constexpr int set_user_dispatch = 59, off = 0;  // PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF
  return static_cast<int>(f->rdi) == set_user_dispatch && f->rsi != off;
}

door_answer on_prctl(door_frame* f, long nr) noexcept {
  if (is_user_dispatch(f)) return answer(-EINVAL);
  if (static_cast<int>(f->rdi) == PR_SET_SECCOMP) forbid_itself();
  thread* t = caller();
  if (t == nullptr) return below(f, nr);
  switch (static_cast<int>(f->rdi)) {
    case PR_SET_NAME: return set_own(*t, reinterpret_cast<const char*>(f->rsi));
    case PR_GET_NAME: return get_own(*t, reinterpret_cast<char*>(f->rsi));
    case PR_GET_TIMERSLACK: return more(*t).is.timer_slack != 0 ? answer(static_cast<long>(more(*t).is.timer_slack)) : below(f, nr);
    case PR_SET_TIMERSLACK: {
      // 0 (and below) asks for what the thread began with: the process's, here.
      const auto wanted = f->rsi;
      if (wanted <= 0 && t->rare == nullptr) return answer(0);
      if (make_more(*t) == nullptr) return answer(-ENOMEM);
      t->rare->is.timer_slack = wanted > 0 ? static_cast<std::uint64_t>(wanted) : 0;
      return answer(0);
    }
    // A thread's own, and nobody's who is made by it. The kernel sends it to the process.
    case PR_SET_PDEATHSIG: {
      int before = 0;
      sys::raw(nr, PR_GET_PDEATHSIG, &before);
      const long got = sys::raw(nr, PR_SET_PDEATHSIG, f->rsi);
      if (got != 0) return answer(got);
      // The first one's may have been set before there were others.
      if (!parent_deaths_kept && before != 0 && make_more(leader()) != nullptr) leader().rare->parent_death = before;
      parent_deaths_kept = true;
      if (f->rsi != 0 && make_more(*t) == nullptr) return answer(-ENOMEM);
      if (t->rare != nullptr) t->rare->parent_death = static_cast<int>(f->rsi);
      return answer(0);
    }
    case PR_GET_PDEATHSIG:
      if (t == &leader() && !parent_deaths_kept) return below(f, nr);
      return answer(store_int(f->rsi, more(*t).parent_death) ? 0 : -EFAULT);
    case PR_GET_TID_ADDRESS:
      // The leader's the kernel has.
      if (t == &leader()) return below(f, nr);
      return answer(io::copy_out(reinterpret_cast<void*>(f->rsi), &t->clear_tid, sizeof t->clear_tid) ? 0 : -EFAULT);
    default: return below(f, nr);
  }
}

constexpr green_entry rows[] = {
    {SYS_prctl, on_prctl},
};

}  // namespace

void name_of(const thread& t, char* to) noexcept {
  take_written_names();
  name_of_itself(t, to);
}

void name_of_itself(const thread& t, char* to) noexcept {
  sys::fill(to, 0, name_bytes);
  if (more(t).is.named && &t != &leader())
    sys::copy(to, more(t).is.name, name_bytes);
  else if (&t == &leader())
    sys::raw(SYS_prctl, PR_GET_NAME, to);
  else
    sys::copy(to, process_name, name_bytes);
}

std::uint32_t label_of(const fiber_base* f, char* text) noexcept {
  const thread* t = of(f);
  if (t == nullptr) return 0;
  name_of_itself(*t, text);
  return t->tid;
}

void note_process_name() noexcept { sys::raw(SYS_prctl, PR_GET_NAME, &process_name[0]); }

void set_name(thread& t, const char* name, std::size_t length) noexcept {
  std::size_t n = 0;
  while (n < length && n < name_bytes - 1 && name[n] != 0) ++n;
  particulars* const rare = make_more(t);
  if (rare == nullptr) return;
  sys::fill(rare->is.name, 0, name_bytes);
  sys::copy(rare->is.name, name, n);
  rare->is.named = true;
  if (home != nullptr && home->traced && t.fiber != nullptr) core::trace::label(*home, t.fiber, rare->is.name, t.tid);
  if (&t == &leader()) sys::raw(SYS_prctl, PR_SET_NAME, &rare->is.name[0]);
}

void name_process_after(const thread& t) noexcept {
  if (more(t).is.named) sys::raw(SYS_prctl, PR_SET_NAME, &more(t).is.name[0]);
}

green_rows name_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
