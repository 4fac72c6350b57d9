// Preemption. A thread that computes would never let others run: every few milliseconds of the carrier's CPU time a signal comes, and
// its handler, which is on the thread's own stack (or, where that has no room, its alternate one), switches away like any park. When the
// carrier sleeps no time passes and no tick comes, so no call of the kernel is ever interrupted by one.
//
// Only the program's own code is preempted. Inside Weft, and in the vDSO called from Weft, the hub's lists may be half changed: the tick
// is noted (carrier::due) and done when the call comes back.
#include <ctime>
#include <elf.h>
#include <csignal>
#include <ucontext.h>

#include "core/due.hpp"
#include "core/switch.hpp"
#include "core/vectors.hpp"
#include "green/begin.hpp"
#include "green/clocks.hpp"
#include "green/signals.hpp"
#include "io/door.hpp"
#include "io/signal_actions.hpp"
#include "patch/dispatch.hpp"
#include "patch/stop_handler.hpp"
#include "sys/auxv.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

using detail::fiber_state;

int timer = -1;

std::uint64_t vdso_begin = 0;
constexpr std::uint64_t vdso_bytes = 0x4000;

// The vDSO keeps little on the stack: a return address into Weft among the first words means that Weft called it. One that an earlier
// call left there only delays the tick.
bool called_by_weft(const std::uint64_t* stack) noexcept {
  constexpr int words = 32;
  for (int i = 0; i < words; ++i)
    if (io::is_own_text(stack[i])) return true;
  return false;
}

void give_way(hub& h, fiber_base* f) noexcept {
  ++stats.preemptions;
  core::preempt(h, f);
}

void on_tick(int, siginfo_t* info, void* context) noexcept {
  if (info->si_code != SI_TIMER || info->si_timerid != timer) {
    own_signal(info, static_cast<ucontext_t*>(context));
    return;
  }
  if (!detail::attached()) return;
  detail::carrier* c = detail::this_carrier();
  hub* h = c->home;
  if (h == nullptr || h != home || c->vfork_pid != 0) return;
  auto* u = static_cast<ucontext_t*>(context);
  fiber_base* f = c->current;
  note_tick(f, info);
  if (in_program(c, f, u) && move_tick(*of(f), u))
    after_tick(u);
  else
    c->due |= core::due_turn;
}

}  // namespace

void after_tick(ucontext_t* u) noexcept {
  fiber_base* f = home->block->current;
  give_way(*home, f);
  asm volatile("orb %1, %0" : "+m"(f->call) : "i"(detail::computed) : "memory", "cc");
  run_handlers(*of(f), u);
}

bool in_program(const detail::carrier* c, const fiber_base* f, const ucontext_t* u) noexcept {
  const auto pc = static_cast<std::uint64_t>(u->uc_mcontext.gregs[REG_RIP]);
  const auto sp = static_cast<std::uint64_t>(u->uc_mcontext.gregs[REG_RSP]);
  if (!f->green || f->state != fiber_state::running || (f->call & (detail::no_tick | detail::in_call)) != 0) return false;
  if (c->in_weft != 0 || sp - c->signal_stack < c->signal_stack_size) return false;
  if (io::is_own_text(pc)) return patch::is_leaving(pc);
  return pc - vdso_begin >= vdso_bytes || !called_by_weft(reinterpret_cast<const std::uint64_t*>(sp));
}

void take_own_signal() noexcept {
  vdso_begin = sys::auxv(AT_SYSINFO_EHDR);
  constexpr std::uint64_t sa_restorer = 0x04000000;
  const std::uint64_t stack = have_alternate_stacks ? SA_ONSTACK : 0;
  const signal_action action{reinterpret_cast<void*>(&on_tick), SA_SIGINFO | SA_RESTART | SA_NODEFER | sa_restorer | stack,
                             reinterpret_cast<void*>(&patch::weft_patch_sigreturn), 0};
  sys::raw(SYS_rt_sigaction, tick_signal, &action, nullptr, 8);
}

void start_ticking() noexcept {
  if (timer >= 0 || !preemptive) return;
  if (!are_virtual) take_own_signal();
  struct {
    std::uint64_t value;
    int signal, notify, thread, unused[11];
  } event{};
  event.signal = tick_signal;
  event.notify = SIGEV_THREAD_ID;
  event.thread = static_cast<int>(sys::raw(SYS_gettid));
  int made = -1;
  if (sys::raw(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &made) != 0) {
    sys::report() << "no timer for preemption: a thread that computes will not let others run\n";
    return;
  }
  timer = made;
  const itimerspec every{{0, tick_ns}, {0, tick_ns}};
  sys::raw(SYS_timer_settime, timer, 0, &every, nullptr);
}

void stop_ticking() noexcept { timer = -1; }

bool settle_due(io::door_frame* frame) noexcept {
  if (!detail::attached()) return false;
  detail::carrier* c = detail::this_carrier();
  hub* h = c->home;
  fiber_base* f = c->current;
  if (h == nullptr || h != home || !f->green || f->state != fiber_state::running || c->vfork_pid != 0) return false;
  if (core::no_way_back(c)) return false;
  const std::uint32_t due = c->due;
  c->due = 0;
  if ((due & core::due_turn) != 0 && (f->call & detail::no_tick) == 0) {
    if (frame->vectors != 0)
      core::with_vectors_saved(*h, f, [](hub& hub, fiber_base* self) noexcept { give_way(hub, self); });
    else
      give_way(*h, f);
  }
  return handlers_due(*of(f));
}

}  // namespace weft::green
