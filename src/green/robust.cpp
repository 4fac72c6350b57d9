// Robust mutexes of a thread that ends: what the kernel does with the list that libc keeps for each thread (kernel/futex/core.c,
// exit_robust_list). The list is the program's memory and may be anything.
#include <cerrno>
#include <linux/futex.h>

#include "green/caller.hpp"
#include "green/end.hpp"
#include "green/robust_list.hpp"
#include "green/rows.hpp"
#include "green/shared_memory.hpp"
#include "io/futex.hpp"
#include "io/user_memory.hpp"
#include "io/user_word.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

using head = robust_head;

bool read(std::uint64_t address, void* to, std::size_t bytes) noexcept {
  return address != 0 && io::copy_in(to, reinterpret_cast<const void*>(address), bytes);
}

void wake_one(hub& h, std::uint64_t word) noexcept {
  io::futex::wake_up(&h, {word, io::futex::kind::local}, FUTEX_WAKE_BITSET, 1, FUTEX_BITSET_MATCH_ANY);
}

// False: the word cannot be written, and nothing that follows will be believed.
bool leave_locked(hub& h, std::uint32_t tid, std::uint64_t word, bool pi, bool pending) noexcept {
  std::uint32_t value = 0;
  auto* at = reinterpret_cast<void*>(word);
  if (word % 4 != 0 || !io::load_word(at, value)) return false;
  // It unlocked the word, and ended before it could wake anybody.
  if (pending && !pi && value == 0) return wake_one(h, word), true;
  if ((value & FUTEX_TID_MASK) != tid) return true;
  if (pi) {
    const io::futex::inside guard(&h);
    io::futex::taken_list heir;
    const long got = io::futex::hand_over(word, tid, FUTEX_OWNER_DIED, heir);
    io::futex::tell(&h, heir);
    return got != -EFAULT;
  }
  for (bool swapped = false; !swapped;) {
    if ((value & FUTEX_TID_MASK) != tid) return true;
    if (!io::exchange_word(at, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, swapped)) return false;
  }
  if ((value & FUTEX_WAITERS) != 0) wake_one(h, word);
  return true;
}

door_answer on_get_robust_list(door_frame* f, long nr) noexcept {
  const named_thread n = named(static_cast<int>(f->rdi));
  if (n.dead) return answer(-ESRCH);
  if (n.who == nullptr || (n.who == &leader() && n.who->robust_list == 0)) return below(f, nr);
  const std::uint64_t bytes = sizeof(head);
  if (!io::copy_out(reinterpret_cast<void*>(f->rdx), &bytes, sizeof bytes)) return answer(-EFAULT);
  return answer(io::copy_out(reinterpret_cast<void*>(f->rsi), &n.who->robust_list, 8) ? 0 : -EFAULT);
}

constexpr green_entry rows[] = {
    {SYS_get_robust_list, on_get_robust_list},
};

}  // namespace

// libc registered the leader's with the kernel before there were green threads.
std::uint64_t robust_list_of(const thread& t) noexcept {
  if (&t != &leader() || t.robust_list != 0) return t.robust_list;
  std::uint64_t list = 0, bytes = 0;
  return sys::raw(SYS_get_robust_list, 0, &list, &bytes) == 0 ? list : 0;
}

void walk_robust_list(thread& t) noexcept {
  const std::uint64_t list = robust_list_of(t);
  head h;
  if (!read(list, &h, sizeof h)) return;
  const std::uint64_t pending = h.pending & ~robust_is_pi;
  std::uint64_t entry = h.first;
  for (int i = 0; i < most_robust && (entry & ~robust_is_pi) != list; ++i) {
    // The next one first: who gets this mutex may take it apart.
    std::uint64_t next = 0;
    const bool more = read(entry & ~robust_is_pi, &next, sizeof next);
    const bool pi = (entry & robust_is_pi) != 0;
    if ((entry & ~robust_is_pi) != pending && !leave_locked(*home, t.tid, robust_word(h, entry), pi, false)) return;
    if (!more) return;
    entry = next;
  }
  if (pending != 0) leave_locked(*home, t.tid, robust_word(h, pending), (h.pending & robust_is_pi) != 0, true);
}

void leave_all_locks() noexcept {
  if (home != nullptr && anything_shared()) each([](thread& t) { walk_robust_list(t); });
}

green_rows robust_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
