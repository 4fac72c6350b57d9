#include "green/begin.hpp"

#include <new>

#include "core/switch.hpp"
#include "core/vectors.hpp"
#include "green/names.hpp"
#include "green/stats.hpp"
#include "io/futex.hpp"
#include "patch/dispatch.hpp"
#include "sys/features.hpp"
#include "sys/process_mark.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

struct idler_operations {
  static void invoke(fiber_base* f) { core::idle_loop(*f->home); }
  static void discard(fiber_base*) noexcept {}
  static constexpr detail::fiber_ops operations{invoke, discard, nullptr, sizeof(fiber_base)};
};

fiber_base* make_idler(hub& h) noexcept {
  const detail::fiber_block block = detail::fiber_alloc(h, sizeof(fiber_base), 0);
  if (block.at == nullptr) return nullptr;
  auto* f = ::new (block.at) fiber_base;
  f->home = &h;
  f->ops = &idler_operations::operations;
  f->epoch = block.epoch;
  f->stack_log2 = block.stack_log2;
  f->service = true;
  return f;
}

void first_thread(hub& h) noexcept {
  thread& t = leader();
  t.fiber = &h.main;
  t.tid = static_cast<std::uint32_t>(sys::raw(SYS_gettid));
  t.alive = true;
  h.main.green = true;
  h.main.thread_pointer = h.fs;
  sys::raw(SYS_rt_sigprocmask, 0, nullptr, &t.signals.mask, 8);
  alive = 1;
  stats_at_first_thread();
  stats.most = 1;
  natives = !wanted || core::other_threads();
  io::futex::kernel_may_wait = natives;
  note_process_name();
}

// The kernel writes into the area of the thread that registered it, whichever green thread runs: sched_getcpu must ask instead.
void leave_rseq(hub& h) noexcept {
  constexpr int unregister = 1;
  constexpr unsigned signature = 0x53053053;
  char* area = reinterpret_cast<char*>(h.fs + static_cast<std::uint64_t>(rseq_offset));
  if (rseq_size == 0 || sys::raw(SYS_rseq, area, rseq_size, unregister, signature) != 0) return;
  const std::int32_t none = -1;  // RSEQ_CPU_ID_UNINITIALIZED
  __builtin_memcpy(area + 4, &none, sizeof none);
}

hub* start() noexcept {
  beginning = true;
  hub* h = make_hub != nullptr ? make_hub() : nullptr;
  beginning = false;
  if (h == nullptr) return nullptr;
  fiber_base* idler = make_idler(*h);
  if (idler == nullptr) return nullptr;
  first_thread(*h);
  core::allow_threads(*h, idler, wanted);
  patch::weft_patch_due = [](patch::call_frame* frame) -> int { return settle_due(reinterpret_cast<io::door_frame*>(frame)); };
  home = h;
  start_signals(*h);
  leave_rseq(*h);
  start_ticking();
  return h;
}

bool is_main_thread() noexcept { return sys::raw(SYS_gettid) == sys::raw(SYS_getpid); }

}  // namespace

hub* (*make_hub)() noexcept = nullptr;

void forbid_itself() noexcept {
  if (home != nullptr || !wanted || !sys::owns_memory()) return;
  sys::report() << "the program filters its own system calls (seccomp): its threads stay threads of the kernel\n";
  const char* strict = sys::env("WEFT_STRICT");
  if (strict != nullptr && *strict != 0) sys::raw(SYS_exit_group, 126);
  wanted = false;
}

hub* begin(bool vectors) noexcept {
  if (home != nullptr) return detail::try_hub() == home && (self() != nullptr || own_wanted) ? home : nullptr;
  if (beginning || (!is_main_thread() && !own_wanted)) return nullptr;
  if (!vectors) return start();
  auto* area = static_cast<char*>(__builtin_alloca_with_align(core::vectors::area_bytes(), 64 * 8));
  core::vectors::save(area);
  hub* h = start();
  core::vectors::restore(area);
  return h;
}

}  // namespace weft::green
