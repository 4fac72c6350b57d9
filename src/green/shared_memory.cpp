#include "green/shared_memory.hpp"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "green/end.hpp"
#include "green/rows.hpp"
#include "green/signals.hpp"
#include "green/thread.hpp"
#include "sys/atomic.hpp"
#include "sys/spin_lock.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

struct range {
  sys::atomic<std::uint64_t> begin, end;
};

// Ranges only grow. When there are more than these, the last one spans all that are too many.
constexpr std::uint32_t most = 64;
range ranges[most];
sys::atomic<std::uint32_t> used;

bool failed(long got) noexcept { return got < 0 && got > -4096; }

sys::atomic<bool> writable;

// There may be locks in it: from now on signals that end the process by default come by Weft's entry, which hands them on (end.hpp).
void note_writable() noexcept {
  if (writable.exchange(true)) return;
  if (are_virtual) take_own_signal_actions();
}

door_answer really(door_frame* f, long nr) noexcept {
  const door_answer a = below(f, nr);
  return a.pass == 0 ? a : answer(sys::raw(nr, f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9));
}

door_answer on_shmat(door_frame* f, long nr) noexcept {
  shmid_ds facts{};
  const bool known = sys::raw(SYS_shmctl, f->rdi, IPC_STAT, &facts) == 0;
  const door_answer a = really(f, nr);
  if (failed(a.result)) return a;
  note_shared(static_cast<std::uint64_t>(a.result), known ? facts.shm_segsz : std::uint64_t{1} << 30);
  if ((f->rdx & SHM_RDONLY) == 0) note_writable();
  return a;
}

}  // namespace

door_answer map_noting_shared(door_frame* f, long nr) noexcept {
  const long type = f->r10 & MAP_TYPE;
  if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE) return below(f, nr);
  const door_answer a = really(f, nr);
  if (failed(a.result)) return a;
  note_shared(static_cast<std::uint64_t>(a.result), static_cast<std::uint64_t>(f->rsi));
  if ((f->rdx & PROT_WRITE) != 0) note_writable();
  return a;
}

door_answer remap_noting_shared(door_frame* f, long nr) noexcept {
  if (!may_be_shared(static_cast<std::uint64_t>(f->rdi))) return below(f, nr);
  const door_answer a = really(f, nr);
  if (!failed(a.result)) note_shared(static_cast<std::uint64_t>(a.result), static_cast<std::uint64_t>(f->rdx));
  return a;
}

namespace {

constexpr green_entry rows[] = {
    {SYS_shmat, on_shmat},
};

bool is_kernel_thread(std::uint32_t tid) noexcept {
  return tid != 0 && tid < first_tid && tid != leader().tid && sys::raw(SYS_tgkill, sys::raw(SYS_getpid), tid, 0) == 0;
}

}  // namespace

bool anything_to_lock() noexcept { return writable.load_relaxed(); }

bool anything_shared() noexcept { return used.load_relaxed() != 0; }

bool may_be_shared(std::uint64_t address) noexcept {
  const std::uint32_t n = used.load_acquire();
  for (std::uint32_t i = 0; i < n && i < most; ++i)
    if (address >= ranges[i].begin.load_relaxed() && address < ranges[i].end.load_relaxed()) return true;
  return false;
}

void note_shared(std::uint64_t at, std::uint64_t bytes) noexcept {
  const std::uint64_t end = at + bytes;
  const std::uint32_t n = used.load_acquire();
  for (std::uint32_t i = 0; i < n && i < most; ++i)
    if (at >= ranges[i].begin.load_relaxed() && end <= ranges[i].end.load_relaxed()) return;
  static sys::spin_word lock;
  const sys::spin_guard guard(lock);
  const std::uint32_t place = used.load_relaxed() < most ? used.load_relaxed() : most - 1;
  range& r = ranges[place];
  const bool fresh = used.load_relaxed() < most;
  if (fresh || at < r.begin.load_relaxed()) r.begin.store_relaxed(at);
  if (fresh || end > r.end.load_relaxed()) r.end.store_relaxed(end);
  if (fresh) used.store_release(place + 1);
}

bool woken_here(std::uint64_t address, std::uint32_t expected) noexcept {
  if (is_tid_word(address, expected)) return true;
  if (may_be_shared(address)) return false;
  return !natives || !is_kernel_thread(expected & FUTEX_TID_MASK);
}

green_rows shared_memory_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
