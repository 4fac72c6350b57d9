// setuid and its kin, which libc has every thread make for itself (nptl/nptl_setxid.c): it sends signal 33 to each of them, whose handler
// makes the call, and then makes it in the thread that began. Here all of them would change the same credentials, and what a call means
// depends on what the one before left: setuid(0) of a process whose saved id is 0 changes one id, a second one all three.
// So one call of such a round is made, and its answer is everybody's. libc lets no second round begin before the first is over.
#include "green/credentials.hpp"

#include "green/caller.hpp"
#include "green/own_credentials.hpp"
#include "green/rows.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

struct {
  const thread* asker = nullptr;  // who sends the signals; null: no round
  bool made = false;
  long nr = 0, first = 0, second = 0, third = 0, result = 0;
} round;

bool is_the_rounds(const door_frame* f, long nr) noexcept {
  return nr == round.nr && f->rdi == round.first && f->rsi == round.second && f->rdx == round.third;
}

door_answer on_ids(door_frame* f, long nr) noexcept {
  thread* me = caller();
  if (me == nullptr) return below(f, nr);
  if (round.asker == nullptr) return change_credentials(*me, below, f, nr);
  const bool last = me == round.asker, known = round.made && is_the_rounds(f, nr);
  if (last) round.asker = nullptr;
  // What the call means to a thread with credentials of its own, only that one's call tells.
  if (has_own_credentials(*me)) return change_credentials(*me, below, f, nr);
  if (known) return answer(round.result);
  const door_answer a = below(f, nr);
  const long result = a.pass == 0 ? a.result : sys::raw(nr, f->rdi, f->rsi, f->rdx);
  common_credentials_changed();
  if (!last && !round.made) {
    round.made = true;
    round.nr = nr;
    round.first = f->rdi, round.second = f->rsi, round.third = f->rdx;
    round.result = result;
  }
  return answer(result);
}

constexpr green_entry rows[] = {
    {SYS_setuid, on_ids},    {SYS_setgid, on_ids},    {SYS_setreuid, on_ids},  {SYS_setregid, on_ids},
    {SYS_setresuid, on_ids}, {SYS_setresgid, on_ids}, {SYS_setgroups, on_ids},
};

}  // namespace

void ask_for_credentials(const thread& asker) noexcept {
  if (round.asker == &asker) return;
  round.asker = &asker;
  round.made = false;
}

void credentials_after_fork() noexcept { round.asker = nullptr; }

green_rows credential_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
