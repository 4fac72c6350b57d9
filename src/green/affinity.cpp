// Affinity of green threads: checked by the kernel, kept, and reported back. It moves nobody, all green threads run on their carrier; but a
// thread that asks where it runs is told a processor on which it may.
#include "green/affinity.hpp"

#include <cerrno>

#include "green/caller.hpp"
#include "green/rows.hpp"
#include "io/user_memory.hpp"
#include "io/user_word.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

int weft_green_affinity_kept = 0;

namespace weft::green {
namespace {

door_answer on_getaffinity(door_frame* f, long nr) noexcept {
  const named_thread n = named(static_cast<int>(f->rdi));
  if (n.who == nullptr && !n.dead) return below(f, nr);
  // The kernel looks at the size and the pointer, and says how much it writes.
  const long got = sys::raw(nr, 0, f->rsi, f->rdx);
  if (got < 0) return answer(got);
  if (n.dead) return answer(-ESRCH);
  const attributes& is = more(*n.who).is;
  if (is.affinity_bytes == 0) return answer(got);
  const std::size_t bytes = is.affinity_bytes < static_cast<std::size_t>(got) ? is.affinity_bytes : static_cast<std::size_t>(got);
  sys::copy(reinterpret_cast<void*>(f->rdx), is.affinity != nullptr ? is.affinity : &is.affinity_word, bytes);
  return answer(got);
}

// The carrier itself asks for it, so that the kernel judges, and takes back what it had: which of the wanted processors there are, and
// which of them are allowed, only the kernel knows.
door_answer on_setaffinity(door_frame* f, long nr) noexcept {
  const named_thread n = named(static_cast<int>(f->rdi));
  if (n.who == nullptr && !n.dead) return below(f, nr);
  constexpr std::size_t most = sys::page_size / 4;
  std::uint64_t before[most / 8], now[most / 8];
  const long bytes = sys::raw(SYS_sched_getaffinity, 0, most, &before[0]);
  if (bytes < 0) return below(f, nr);
  if (n.dead) return answer(f->rsi > 0 && !io::readable(reinterpret_cast<void*>(f->rdx & ~7L), 8) ? -EFAULT : -ESRCH);
  const long got = sys::raw(nr, 0, f->rsi, f->rdx);
  if (got != 0) return answer(got);
  sys::raw(SYS_sched_getaffinity, 0, bytes, &now[0]);
  sys::raw(SYS_sched_setaffinity, 0, bytes, &before[0]);
  if (make_more(*n.who) == nullptr) return answer(-ENOMEM);
  attributes& is = n.who->rare->is;
  if (bytes > 8 && is.affinity == nullptr) is.affinity = static_cast<std::uint64_t*>(sys::map(sys::page_size));
  if (bytes > 8 && is.affinity == nullptr) return answer(-ENOMEM);
  sys::copy(bytes > 8 ? is.affinity : &is.affinity_word, &now[0], static_cast<std::size_t>(bytes));
  is.affinity_bytes = static_cast<std::uint32_t>(bytes);
  __atomic_store_n(&weft_green_affinity_kept, 1, __ATOMIC_RELEASE);
  return answer(0);
}

// The first processor of a thread's own set; -1 where it has none, or `now` is in it.
long stand_in(const attributes& is, unsigned now) noexcept {
  const std::uint64_t* set = is.affinity != nullptr ? is.affinity : &is.affinity_word;
  const unsigned words = is.affinity_bytes / 8;
  if (words == 0 || (now / 64 < words && (set[now / 64] >> now % 64 & 1) != 0)) return -1;
  for (unsigned i = 0; i < words; ++i)
    if (set[i] != 0) return static_cast<long>(i * 64) + __builtin_ctzll(set[i]);
  return -1;
}

door_answer on_getcpu(door_frame* f, long nr) noexcept {
  const thread* t = caller();
  if (t == nullptr || f->rdi == 0 || f->rdi % 4 != 0) return below(f, nr);
  unsigned now = 0;
  const long got = sys::raw(nr, &now, f->rsi, 0);
  if (got != 0) return answer(got);
  const long other = stand_in(more(*t).is, now);
  const auto told = other < 0 ? now : static_cast<std::uint32_t>(other);
  return answer(io::store_word(reinterpret_cast<void*>(f->rdi), told) ? 0 : -EFAULT);
}

constexpr green_entry rows[] = {
    {SYS_sched_getaffinity, on_getaffinity},
    {SYS_sched_setaffinity, on_setaffinity},
    {SYS_getcpu, on_getcpu},
};

}  // namespace

green_rows affinity_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
