// How an OS thread comes to have a hub, and how it ends: the ordinary C++ around hub_open and hub_close.
//
// Every thread's GS base must point at a valid block before any inline function reads it: the constructor below gives the first
// thread one, threads made later inherit it (and see by its `fs` that it is not theirs).
#include <asm/prctl.h>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cxxabi.h>
#include <mutex>
#include <string>
#include <sys/auxv.h>
#include <system_error>

#include "core/hub_state.hpp"
#include "core/libc_threads.hpp"
#include "core/overflow.hpp"
#include "core/trace.hpp"
#include "sys/features.hpp"
#include "sys/free_list.hpp"
#include "sys/mem.hpp"
#include "sys/report.hpp"
#include "sys/size_text.hpp"
#include "sys/syscall.hpp"
#include "weft/detail/wait.hpp"
#include "weft/hub.hpp"

namespace weft::core {
namespace {

using detail::carrier;
using detail::hub_state;
using detail::nanos;

// What threads without a hub look at: no thread pointer equals 0.
carrier nobody;

// Blocks are never given back to the kernel: a thread may still inherit a GS base that points at an ended thread's block.
std::mutex registry_lock;
sys::free_list<carrier, &carrier::self> free_blocks;
void* free_hubs = nullptr;  // memory of hubs that have ended, linked through its second word: the first one stays 0 (on_hub)

std::atomic<nanos> grace{0};

carrier* take_block() {
  const std::lock_guard guard(registry_lock);
  carrier* c = free_blocks.take();
  if (c == nullptr) throw std::system_error(ENOMEM, std::generic_category(), "weft: a block for this OS thread");
  return c;
}

void give_block(carrier* block) {
  const std::lock_guard guard(registry_lock);
  *block = carrier{};
  free_blocks.give(block);
}

void* take_hub_memory() {
  {
    const std::lock_guard guard(registry_lock);
    if (auto** at = static_cast<void**>(free_hubs)) {
      free_hubs = at[1];
      sys::fill(at, 0, hub_bytes());
      return at;
    }
  }
  void* memory = sys::map(hub_bytes());
  if (memory == nullptr) throw std::system_error(ENOMEM, std::generic_category(), "weft: memory for a hub");
  return memory;
}

void give_hub_memory(void* memory) {
  const std::lock_guard guard(registry_lock);
  auto** at = static_cast<void**>(memory);
  at[0] = nullptr;
  at[1] = free_hubs;
  free_hubs = at;
}

// Whether threads can be told apart by their GS base at all; without it nothing of Weft may run.
bool gs_works = true;

bool machine_sets_gs() noexcept {
  constexpr unsigned long fsgsbase_enabled = 2;  // HWCAP2_FSGSBASE, arch/x86/include/uapi/asm/hwcap2.h
  return (getauxval(AT_HWCAP2) & fsgsbase_enabled) != 0 && sys::have(sys::feature::fsgsbase);
}

// By the system call, which every kernel has; by the instruction where a sandbox refuses that.
void set_gs(carrier* c) noexcept {
  if (sys::raw(SYS_arch_prctl, ARCH_SET_GS, c) == 0) return;
  if (machine_sets_gs())
    asm volatile("wrgsbase %0" : : "r"(c) : "memory");
  else
    gs_works = false;
}

[[gnu::constructor(101)]] void point_first_thread() {
  set_gs(&nobody);
  if (!gs_works) sys::report() << "this system lets no program set its GS base (arch_prctl is refused): Weft stays out\n";
}

nanos grace_period() {
  if (const nanos set = grace.load()) return set;
  const char* text = sys::env("WEFT_GRACE_MS");
  return (text != nullptr ? std::strtoull(text, nullptr, 10) : 2000) * 1'000'000;
}

void report_leftovers(hub& h) {
  std::string text;
  int listed = 0;
  each_fiber(h, [&](const fiber_base* f) {
    if (f->service || f->is_main || ++listed > 20) return;
    text += "  fiber ";
    text += f->extra != nullptr && f->extra->name != nullptr ? f->extra->name : "(unnamed)";
    if (f->parked != nullptr) {
      text += ", parked in ";
      text += f->parked->reason;
    }
    text += '\n';
  });
  if (listed > 20) text += "  ...\n";
  sys::report() << h.live - 1 << " fiber(s) did not end within the grace period after being cancelled:\n" << text.c_str()
                << "(it is " << static_cast<long>(grace_period() / 1'000'000)
                << " ms: WEFT_GRACE_MS; a catch (...) that does not throw on swallows cancellation)\n";
}

// Cancels every other fiber and waits for them, until `deadline`. Called on the main fiber's stack.
void end_fibers(hub& h, nanos deadline) {
  // A fiber may spawn others while it is being cancelled: they are cancelled in the next round.
  while (h.live > 1) {
    each_fiber(h, [](fiber_base* f) {
      if (!f->service && !f->is_main && !f->cancel_requested) detail::fiber_cancel(f);
    });
    if (h.live <= 1) break;
    waiter w("end of main");
    w.uncancellable = true;
    h.last_one = &w;
    const nanos slice = detail::now(h) + 50'000'000;
    const wake why = detail::park(h, w, slice < deadline ? slice : deadline);
    h.last_one = nullptr;
    if (why == wake::deadlock || detail::now(h) >= deadline) break;
  }
}

// From here on nothing can be sent to the hub. False while something that was sent waits to be run.
bool close_inbox(hub& h, bool anyway) {
  auto& state = hub_state::of(h);
  const std::lock_guard guard(state.lock);
  if (!anyway && !h.inbox.empty()) return false;
  state.home = nullptr;
  h.closing = true;
  __atomic_store_n(&h.fs, 0, __ATOMIC_RELAXED);
  return true;
}

// Handles that outlive their thread still read their fiber's block, and stacks of fibers that did not end hold live objects.
bool nothing_left(const hub& h) noexcept { return h.live == 1 && h.blocks_out == 0 && h.main.refs == 1; }

void close_for_good(hub& h) noexcept {
  hub_state::of(h).release();
  hub_close(h);
  give_hub_memory(&h);
}

void end_hub(hub& h) noexcept {
  // exit() in a fiber ends the process from there: the others are not unwound (the standard's rule for threads). Nor does the end of
  // main's thread end green threads.
  if (h.program_threads || detail::current_fiber() != &h.main) return;
  h.main.cancel_requested = false;
  h.main.cancel_hint = false;
  auto& state = hub_state::of(h);
  try {
    // By index: what ends may register more.
    for (std::size_t i = 0; i < state.at_end.size(); ++i) state.at_end[i]();
    const nanos deadline = detail::now(h) + grace_period();
    end_fibers(h, deadline);
    while (!close_inbox(h, detail::now(h) >= deadline)) {
      take_remote(h);
      end_fibers(h, deadline);
    }
    if (h.live > 1) report_leftovers(h);
  } catch (...) {
    report_failure(&h.main, std::current_exception());
    close_inbox(h, true);
  }
  if (on_hub_ended != nullptr) on_hub_ended(h);
  if (h.traced) trace::hub_over(h);
  carrier* block = h.block;
  {
    const std::lock_guard guard(registry_lock);
    for (hub** at = &all_hubs; *at != nullptr; at = &(*at)->next_hub)
      if (*at == &h) {
        *at = h.next_hub;
        break;
      }
  }
  release_signal_stack(block);
  set_gs(&nobody);
  give_block(block);
  if (h.offload != nullptr) end_offload(h);
  h.poll->shut();
  bool unused;
  {
    const std::lock_guard guard(state.lock);
    state.ended = true;
    unused = nothing_left(h);
  }
  if (unused) close_for_good(h);
}

struct thread_end {
  hub* mine = nullptr;
  ~thread_end() {
    if (mine != nullptr && detail::try_hub() == mine) end_hub(*mine);
    mine = nullptr;
  }
};
thread_local thread_end at_thread_end;

struct main_operations {
  static void nothing(fiber_base*) {}
  static void nothing_noexcept(fiber_base*) noexcept {}
  static constexpr detail::fiber_ops operations{nothing, nothing_noexcept, nullptr, sizeof(fiber_base)};
};

}  // namespace

hub* all_hubs = nullptr;

void (*on_hub_created)(hub& h) noexcept = nullptr;
void (*on_hub_ended)(hub& h) noexcept = nullptr;

bool can_run_here() noexcept { return gs_works; }

const carrier* empty_block() noexcept { return &nobody; }

void hold_registry() noexcept { registry_lock.lock(); }

void release_registry() noexcept { registry_lock.unlock(); }

void release_registry_in_child() noexcept {
  all_hubs = detail::try_hub();
  own_threads.store_relaxed(0);
  if (all_hubs != nullptr) {
    all_hubs->next_hub = nullptr;
    all_hubs->thread = static_cast<std::uint32_t>(sys::raw(SYS_gettid));
    all_hubs->watched = {};
  }
  forget_watchdog();
  trace::after_fork(detail::try_hub());
  registry_lock.unlock();
}

void release_after_end(fiber_base* f) noexcept {
  hub& h = *f->home;
  auto& state = hub_state::of(h);
  {
    const std::lock_guard guard(state.lock);
    if (f->refs > 1) {
      --f->refs;
      if (!state.ended || !nothing_left(h)) return;
      f = nullptr;
    }
  }
  if (f != nullptr) {
    // The last handle: no other thread can reach the fiber. What it left behind is destroyed without the lock, for it may hold
    // other handles of the same hub.
    if (leaves_something(f)) fiber_dispose(f);
    const std::lock_guard guard(state.lock);
    detail::fiber_release(f);
    if (!state.ended || !nothing_left(h)) return;
  }
  close_for_good(h);
}

void for_each_hub(const std::function<void(hub&)>& fn) {
  const std::lock_guard guard(registry_lock);
  for (hub* h = all_hubs; h != nullptr; h = h->next_hub) fn(*h);
}

}  // namespace weft::core

namespace weft::detail {

hub& create_hub() {
  using namespace core;
  install_handlers();
  hub_is_coming();
  void* memory = take_hub_memory();
  carrier* block = take_block();
  long error = 0;
  hub* h = hub_open(memory, block, reinterpret_cast<eh_globals*>(abi::__cxa_get_globals()), &errno, error);
  if (h == nullptr) {
    give_hub_memory(memory);
    give_block(block);
    throw std::system_error(static_cast<int>(-error), std::generic_category(),
                            "weft: a hub needs 2 descriptors (epoll or none, and an eventfd)");
  }
  h->face = new hub_state(h);
  h->main.ops = &main_operations::operations;
  h->annotate = annotations_wanted();
  h->traced = trace::on();
  if (const char* size = sys::env("WEFT_STACK_SIZE")) h->default_stack_log2 = stack_pool::size_class(sys::parse_size(size));
  std::uint64_t fs;
  asm("mov %%fs:0, %0" : "=r"(fs));
  *block = carrier{};
  block->fs = fs;
  block->self = block;
  block->home = h;
  h->fs = fs;
  h->thread = static_cast<std::uint32_t>(sys::raw(SYS_gettid));
  block->current = &h->main;
  take_signal_stack(block);
  set_gs(block);
  {
    const std::lock_guard guard(registry_lock);
    h->next_hub = all_hubs;
    all_hubs = h;
  }
  at_thread_end.mine = h;
  if (on_hub_created != nullptr) on_hub_created(*h);
  watch_from_environment();
  return *h;
}

}  // namespace weft::detail

namespace weft {

void set_grace_period(std::chrono::nanoseconds d) { core::grace.store(static_cast<detail::nanos>(d.count() > 0 ? d.count() : 1)); }

}  // namespace weft
