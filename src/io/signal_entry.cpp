// From the kernel's call of a handler to the program's: at once, or recorded for a fiber (signals.hpp tells when).
//
// Everything here may run in a signal handler on top of anything. Records are taken from a fixed pool: with none left the handler is
// called at once.
#include <ucontext.h>

#include "core/trace.hpp"
#include "core/vectors.hpp"
#include "io/door.hpp"
#include "io/signals.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

using detail::fiber_base;
using detail::fiber_state;

// A signal on its way to a fiber.
struct record : core::remote_node {
  sys::atomic<unsigned> used;
  bool done = false;             // the handler ran already: only a parked call is to be ended
  int number = 0;
  signal_action action{};        // as it was when the kernel delivered the signal
  siginfo_t info{};
  fiber_base* target = nullptr;  // once in hub::signals_due
};

constexpr int most_records = 128;
record records[most_records];

record* take_record() noexcept {
  for (record& r : records)
    if (r.used.load_relaxed() == 0 && r.used.exchange(1) == 0) return &r;
  return nullptr;
}

void give_back(record& r) noexcept { r.used.store_release(0); }

void mark_due(fiber_base* f) noexcept {
  asm volatile("orb %1, %0" : "+m"(f->call) : "i"(detail::signal_due) : "memory", "cc");
}
void unmark_due(fiber_base* f) noexcept {
  asm volatile("andb %1, %0" : "+m"(f->call) : "i"(0xff ^ detail::signal_due) : "memory", "cc");
}

using program_handler = void (*)(int, siginfo_t*, void*);

// As the kernel would, between two instructions of the caller: with the mask, with a context, with vector registers of its own.
[[gnu::noinline]] void call_handler(const signal_action& a, int number, siginfo_t* info, fiber_base* self) noexcept {
  ucontext_t context;
  sys::fill(&context, 0, sizeof context);
  std::uint64_t blocked = a.mask;
  if ((a.flags & SA_NODEFER) == 0) blocked |= signal_bit(number);
  sys::raw(SYS_rt_sigprocmask, SIG_BLOCK, &blocked, &context.uc_sigmask, 8);
  sys::raw(SYS_sigaltstack, nullptr, &context.uc_stack);
  context.uc_mcontext.fpregs = &context.__fpregs_mem;
  context.uc_mcontext.gregs[REG_RIP] = reinterpret_cast<greg_t>(__builtin_return_address(0));
  context.uc_mcontext.gregs[REG_RSP] = context.uc_mcontext.gregs[REG_RBP] = reinterpret_cast<greg_t>(__builtin_frame_address(0));
  auto* area = static_cast<char*>(__builtin_alloca_with_align(core::vectors::area_bytes(), 64 * 8));
  core::vectors::save(area);
  const bool live = self->live_vectors;
  self->live_vectors = false;
  reinterpret_cast<program_handler>(a.handler)(number, info, &context);
  self->live_vectors = live;
  core::vectors::restore(area);
  sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &context.uc_sigmask, nullptr, 8);
}

bool in_call(const fiber_base& f) noexcept { return (f.call & detail::in_call) != 0; }

bool waits_interruptibly(const fiber_base& f) noexcept {
  return in_call(f) && f.state == fiber_state::parked && f.parked != nullptr && !f.parked->uninterruptible;
}

// Which fiber a signal of this thread is for; null when none is in a call.
fiber_base* target_in(hub& h) noexcept {
  fiber_base* current = h.block->current;
  if (current->state == fiber_state::running && in_call(*current)) return current;
  fiber_base* found = nullptr;
  for (fiber_base* f = &h.main; f != nullptr; f = f->all_next) {
    if (f == &h.main && in_call(*f) && f->state == fiber_state::ready) return f;  // its call is about to come back
    if (!waits_interruptibly(*f)) continue;
    if (f == &h.main) return f;
    // The list has the newest first: among equals it is the last.
    if (found == nullptr || f->parked->since <= found->parked->since) found = f;
  }
  return found;
}

// In the hub's own time.
void arrive(hub& h, core::remote_node* n) noexcept {
  auto& r = *static_cast<record*>(n);
  fiber_base* f = target_in(h);
  if (f == nullptr) {
    if (!r.done) {
      siginfo_t info;
      sys::copy(&info, &r.info, sizeof info);
      const signal_action a = r.action;
      const int number = r.number;
      give_back(r);
      ++h.block->in_weft;  // what it calls passes through: this is the middle of another fiber's park
      call_handler(a, number, &info, h.block->current);
      --h.block->in_weft;
    } else {
      give_back(r);
    }
    return;
  }
  r.target = f;
  r.next = nullptr;
  core::remote_node** at = &h.signals_due;
  while (*at != nullptr) at = &(*at)->next;
  *at = &r;
  mark_due(f);
  if (f->parked != nullptr && f->state == fiber_state::parked) detail::unpark(*f->parked, wake::signalled);
}

bool send(hub& h, int number, const siginfo_t* info, const signal_action& a, bool done) noexcept {
  record* r = take_record();
  if (r == nullptr) return false;
  r->run = arrive;
  r->done = done;
  r->number = number;
  r->action = a;
  r->target = nullptr;
  sys::copy(&r->info, info, sizeof r->info);
  core::hub_post(h, *r);
  return true;
}

// The first record that is assigned to `self`, taken out of the list.
record* take_due(hub& h, const fiber_base* self) noexcept {
  for (core::remote_node** at = &h.signals_due; *at != nullptr; at = &(*at)->next) {
    auto* r = static_cast<record*>(*at);
    if (r->target != self) continue;
    *at = r->next;
    return r;
  }
  return nullptr;
}

}  // namespace

void forget_recorded_signals(hub& h) noexcept {
  core::drop_remote(h, [](core::remote_node* n) noexcept {
    return n->run == arrive || (of_threads.is_parents != nullptr && of_threads.is_parents(n));
  });
  h.signals_due = nullptr;
  // Who filled one at the moment of the fork was another thread, or stood on a stack that is gone.
  for (record& r : records)
    if (r.used.load_relaxed() != 0) give_back(r);  // a page that is not written is not copied
}

handled run_due_signals(hub& h, fiber_base* self) noexcept {
  handled answer = handled::none;
  while ((self->call & detail::signal_due) != 0) {
    unmark_due(self);
    // What was recorded inside this call may still be in the inbox: it is this fiber's, if nobody else was in a call.
    begin_call(self);
    core::with_vectors_saved(h, self, [](hub& hub, fiber_base*) noexcept { core::take_remote(hub); });
    end_call(self);
    unmark_due(self);
    while (record* r = take_due(h, self)) {
      if (answer == handled::none) answer = (r->action.flags & SA_RESTART) != 0 ? handled::restart : handled::fail;
      const bool done = r->done;
      siginfo_t info;
      sys::copy(&info, &r->info, sizeof info);
      const signal_action a = r->action;
      const int number = r->number;
      give_back(*r);
      if (done) continue;
      // A handler that jumps away leaves the rest to the next call.
      for (auto* n = h.signals_due; n != nullptr; n = n->next)
        if (static_cast<record*>(n)->target == self) mark_due(self);
      call_handler(a, number, &info, self);
    }
  }
  return answer;
}

extern "C" void weft_signal_entry(int number, siginfo_t* info, void* context) {
  if (core::trace::on()) [[unlikely]]
    core::trace::signal(number);
  if (of_threads.came != nullptr && of_threads.came(number, info, context)) return;
  const signal_action a = action_of(number);
  if ((a.flags & static_cast<std::uint32_t>(SA_RESETHAND)) != 0) reset_action(number);
  hub* h = interrupted_hub();
  bool others = false;
  if (h != nullptr) {
    fiber_base* f = h->block->current;
    const bool running = f->state == fiber_state::running;
    if (!running || in_call(*f)) {
      if (running) mark_due(f);
      if (send(*h, number, info, a, false)) return;
    } else {
      // A signal to the process natively prefers the main thread: a call that waits there ends. raise() is the caller's own.
      others = info->si_code != SI_TKILL && (!f->is_main || h->main.all_next != nullptr);
    }
  }
  if (h == nullptr) {
    reinterpret_cast<program_handler>(a.handler)(number, info, context);
    return;
  }
  // What the handler interrupted may be the middle of a change to the hub's lists. Until it returns, or jumps away, fibers are woken
  // through the inbox only (hub_at_rest); on top of Weft's own code nothing may park, either.
  const auto at = static_cast<std::uint64_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  const unsigned inside = is_own_text(at) ? 1 : 0;
  const auto before = h->handler;
  h->handler = {h->block->current, reinterpret_cast<std::uint64_t>(__builtin_frame_address(0))};
  h->block->in_weft += inside;
  reinterpret_cast<program_handler>(a.handler)(number, info, context);
  h->block->in_weft -= inside;
  h->handler = before;
  if (others) send(*h, number, info, a, true);
}

}  // namespace weft::io
