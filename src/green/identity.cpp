// Who a thread is to the kernel: its id, and what it registers of itself at its start.
#include <asm/prctl.h>
#include <cerrno>

#include "green/caller.hpp"
#include "green/rows.hpp"
#include "io/user_memory.hpp"
#include "io/user_word.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

door_answer on_gettid(door_frame* f, long nr) noexcept {
  const thread* t = caller();
  return t == nullptr || t == &leader() ? below(f, nr) : answer(t->tid);
}

door_answer on_set_tid_address(door_frame* f, long nr) noexcept {
  thread* t = caller();
  if (t == nullptr) return below(f, nr);
  t->clear_tid = reinterpret_cast<std::uint32_t*>(f->rdi);
  return answer(t->tid);
}

// Remembered, not registered: the kernel would walk it when the carrier ends. The leader's it has from before.
door_answer on_set_robust_list(door_frame* f, long nr) noexcept {
  thread* t = caller();
  if (t == nullptr || t == &leader()) return below(f, nr);
  constexpr long head_bytes = 24;
  if (f->rsi != head_bytes) return answer(-EINVAL);
  t->robust_list = static_cast<std::uint64_t>(f->rdi);
  return answer(0);
}

// libc ends the process when this fails. Nothing is registered, since the kernel would write into the area whichever thread runs:
// cpu_id stays "uninitialized", and sched_getcpu asks the kernel.
door_answer on_rseq(door_frame* f, long nr) noexcept {
  thread* t = caller();
  if (t == nullptr) return below(f, nr);
  constexpr std::uint32_t uninitialized = ~0u;
  auto* cpu_id = reinterpret_cast<void*>(f->rdi + 4);
  return answer(io::store_word(cpu_id, uninitialized) ? 0 : -EFAULT);
}

// The GS base is Weft's way to what it knows of an OS thread: a program that sets its own would have none of its threads served any more.
door_answer on_arch_prctl(door_frame* f, long nr) noexcept {
  const auto what = static_cast<int>(f->rdi);
  if (what == ARCH_GET_GS && home != nullptr) {
    constexpr std::uint64_t none = 0;
    return answer(io::copy_out(reinterpret_cast<void*>(f->rsi), &none, sizeof none) ? 0 : -EFAULT);
  }
  if (what != ARCH_SET_GS) return below(f, nr);
  static bool said = false;
  if (!said) sys::report() << "the program sets its GS base, which Weft needs: it is told that it may not\n";
  said = true;
  return answer(-EPERM);
}

constexpr green_entry rows[] = {
    {SYS_arch_prctl, on_arch_prctl},
    {SYS_gettid, on_gettid},
    {SYS_set_tid_address, on_set_tid_address},
    {SYS_set_robust_list, on_set_robust_list},
    {SYS_rseq, on_rseq},
};

}  // namespace

green_rows identity_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
