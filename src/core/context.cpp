// The context switch: how a stack is entered (Boost.Context) and left, and what a fiber has to itself besides stack and registers.
//
// Saved here per fiber: errno, the C++ exception globals, and, inside a rewritten system call, the vector registers (libc keeps
// them live across `syscall`, and the kernel preserves them; every other park is a function call, which may clobber them).
// The sanitizers and valgrind are told of switches through weak symbols, so one build serves instrumented programs too.
// x86-64 only.

#include "core/due.hpp"
#include "core/fcontext.hpp"
#include "core/hub.hpp"
#include "core/switch.hpp"
#include "core/vectors.hpp"

extern "C" {
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, std::size_t size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, std::size_t* size);
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}

namespace weft::core {
namespace {

stack_head* head_of(const fiber_base* f) noexcept { return core::head_of(f->stk, f->stack_log2); }

void*& tsan_of(hub& h, fiber_base* f) noexcept { return f->is_main ? h.main_tsan : head_of(f)->tsan; }

}  // namespace

bool (*greenlet_of)(const fiber_base* f, standing& place) noexcept = nullptr;

void announce_switch(hub& h, fiber_base* from, fiber_base* to, void** fake_stack) noexcept {
  standing place;
  const bool in_greenlet = greenlet_of(to, place);
  if (__sanitizer_start_switch_fiber != nullptr) {
    const void* bottom = in_greenlet ? place.bottom : to->is_main ? h.main_stack : stack_pool::bottom(to->stk);
    const std::size_t size = in_greenlet ? place.size : to->is_main ? h.main_stack_size : std::size_t{1} << to->stack_log2;
    __sanitizer_start_switch_fiber(from->state == fiber_state::done ? nullptr : fake_stack, bottom, size);
  }
  if (__tsan_switch_to_fiber != nullptr) {
    standing left;
    if (from->is_main && h.main_tsan == nullptr && !greenlet_of(from, left)) h.main_tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(in_greenlet ? place.tsan : tsan_of(h, to), 0);
  }
}

void announce_arrival(hub& h, fiber_base* from, void* fake_stack) noexcept {
  if (__sanitizer_finish_switch_fiber == nullptr) return;
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
  standing place;
  if (from->is_main && !greenlet_of(from, place)) {
    h.main_stack = bottom;
    h.main_stack_size = size;
  }
}

// The fiber that just left is over: nobody stands on its stack any more.
void reap(hub& h, fiber_base* f) noexcept {
  if (f->green) {
    on_thread_over(h, f);
    return;
  }
  if (h.annotate) [[unlikely]] {
    // Sanitizers follow a stack from creation to end: they get a new context each time.
    head_of(f)->idle = nullptr;
    if (__tsan_destroy_fiber != nullptr) __tsan_destroy_fiber(head_of(f)->tsan);
  }
  h.stacks.give(f->stk, f->stack_log2);
  f->stk = nullptr;
  f->context = nullptr;
  detail::fiber_release(f);
}

namespace {

// The thread control block goes with the fiber: errno, the exception globals, and what tells this thread from others (attached,
// on_hub) with it.
[[gnu::always_inline]] inline void become(hub& h, const fiber_base* next) noexcept {
  const std::uint64_t fs = next->green ? next->thread_pointer : h.own_fs;
  if (fs == h.fs) return;
  h.fs = fs;
  h.block->fs = fs;
  h.eh = reinterpret_cast<eh_globals*>(static_cast<std::intptr_t>(fs) + h.eh_offset);
  h.errno_at = reinterpret_cast<int*>(static_cast<std::intptr_t>(fs) + h.errno_offset);
  asm volatile("wrfsbase %0" : : "r"(fs) : "memory");
}

// Takes a fiber out of the lists of the living and tells those who wait for it.
[[gnu::noinline]] void end_life_with_care(hub& h, fiber_base* f) noexcept {
  if (!f->unlisted) {
    f->all_prev->all_next = f->all_next;
    if (f->all_next != nullptr) f->all_next->all_prev = f->all_prev;
    f->all_next = f->all_prev = nullptr;
    f->unlisted = true;
  }
  if (!f->service && --h.live == 1 && h.last_one != nullptr) detail::unpark(*h.last_one);
  // Nobody is added any more: those who come later see that it is done.
  while (detail::wait_node* n = f->completion.pop_front()) n->notify(n);
  if (h.traced) [[unlikely]]
    trace::end(h, f);
}

// The same, in the usual case without a call: it has never parked, and one other is parked for it, or nobody. Who is to be made ready is
// returned instead.
[[gnu::always_inline]] inline fiber_base* end_life(hub& h, fiber_base* f) noexcept {
  auto* w = static_cast<waiter*>(f->completion.only());
  if (!f->unlisted || f->service || h.traced || h.last_one != nullptr || (w == nullptr && !f->completion.empty()) ||
      (w != nullptr && (w->notify != &waiter::wake_ready || !wakes_plainly(*w)))) [[unlikely]] {
    end_life_with_care(h, f);
    return nullptr;
  }
  --h.live;
  if (w == nullptr) return nullptr;
  f->completion.clear();
  return wake_plainly(*w);
}

// Makes `woken` ready, if there is somebody, and picks the next fiber to run: when nobody else is ready, `woken` itself.
[[gnu::always_inline]] inline fiber_base* pick_after(hub& h, fiber_base* woken) noexcept {
  if (woken != nullptr) [[likely]] {
    // (Shuffled schedules count how often they are asked.)
    if (h.ready_first == nullptr && h.shuffle == 0 && (h.ticks + 1) % switches_between_looks != 0) {
      ++h.ticks;
      return woken;
    }
    make_ready(h, woken);
  }
  return pick(h);
}

// The carrier turns from one fiber to another, of which some are threads: all that there is to it but the jump.
[[gnu::always_inline]] inline void turn_to(hub& h, fiber_base* self, fiber_base* next) noexcept {
  if (h.turns_heard) [[unlikely]]
    on_turn_over(self, next);
  set_current(next);
  become(h, next);
}

using meeting = crossing<hub, fiber_base>;

// Leaves for good where somebody is to be told, or more is to go than a stack and a block: who comes next reaps.
[[gnu::always_inline]] inline meeting leave_with_care(hub& h, fiber_base* self, fiber_base* next, void** idle,
                                                      std::uint64_t modes) noexcept {
  if (h.traced) [[unlikely]]
    trace::run(h, next);
  void* unused = nullptr;
  if (h.threads) [[unlikely]]
    turn_to(h, self, next);
  else
    set_current(next);
  if (h.annotate) [[unlikely]]
    announce_switch(h, self, next, &unused);
  return swap_stacks_for_good<hub, fiber_base>({&h, self, next}, idle, next->context, modes);
}

// First code on a new stack, and the loop in which a stack goes from fiber to fiber. Return address unknown on purpose:
// backtraces and unwinders end here.
[[noreturn]] void entry(transfer_t from) {
  asm volatile(".cfi_undefined %rip");
  fiber_base* first = detail::current_fiber();
  // A stack's own, whatever fiber is on it.
  stack* const stk = first->stk;
  const unsigned log2 = first->stack_log2;
  stack_head* const head = head_of(first);
  const std::uint64_t modes = floating_point_modes();  // of whoever made the stack: all its fibers begin with them
  meeting met{first->home, static_cast<fiber_base*>(from.data), first};
  for (;;) {
    hub& h = *met.hub;
    fiber_base* self = met.resumed;
    if (h.annotate) [[unlikely]]
      announce_arrival(h, met.left, nullptr);
    arrived(h, met.left);
    *h.errno_at = 0;
    fiber_body(self);
    *h.eh = {};
    // Nothing is called and not returned from between here and the jump: the processor's return stack is then as the next
    // fiber left it.
    fiber_base* next = pick_after(h, end_life(h, self));
    self->state = fiber_state::done;
    if (next->context == nullptr) [[unlikely]]
      next = first_turn(h, next);
    next->state = fiber_state::running;
    ++h.stats.other_switches;
    if (told(h) != 0 || (self->refs == 1 && !leaves_quietly(h, self))) [[unlikely]] {
      met = leave_with_care(h, self, next, &head->idle, modes);
      continue;
    }
    // The stack goes to the pool while the fiber still stands on it: nothing that could take it out runs before the jump. So who
    // comes next has nobody to reap.
    set_current(next);
    h.stacks.give(stk, log2);
    self->stk = nullptr;
    self->context = nullptr;
    if (--self->refs == 0) give_block(h, self);
    met = swap_stacks_for_good<hub, fiber_base>({&h, next, next}, &head->idle, next->context, modes);
  }
}

}  // namespace

bool bind(hub& h, fiber_base* f) noexcept {
  f->stk = h.stacks.take(f->stack_log2);
  if (f->stk == nullptr) [[unlikely]]
    return false;
  stack_head* head = head_of(f);
  f->context = stack_pool::take_untouched(f->stk) ? nullptr : head->idle;
  if (f->context == nullptr) [[unlikely]] {
    const auto size = static_cast<std::size_t>(reinterpret_cast<char*>(head) - stack_pool::bottom(f->stk));
    f->context = suspend_before(make_fcontext(head, size, entry));
  }
  if (h.annotate && __tsan_create_fiber != nullptr) head->tsan = __tsan_create_fiber(0);
  return true;
}

void (*fiber_body)(fiber_base* f) noexcept = nullptr;

bool annotations_wanted() noexcept {
  return __sanitizer_start_switch_fiber != nullptr || __tsan_switch_to_fiber != nullptr;
}

namespace {

// Between fibers of which some are threads. What came up for the one that is resumed, while it was away, is done when it is back in the
// program's code.
[[gnu::noinline]] void jump_as_thread(hub& h, fiber_base* self, fiber_base* next) noexcept {
  const int error = *h.errno_at;
  turn_to(h, self, next);
  const auto met = swap_stacks<hub, fiber_base>({&h, self, next}, &self->context, next->context);
  arrived(*met.hub, met.left);
  *met.hub->errno_at = error;
  if ((met.resumed->call & detail::signal_due) != 0) met.hub->block->due |= due_signals;
}

[[gnu::noinline]] void jump_announced(hub& h, fiber_base* self, fiber_base* next) noexcept {
  if (h.traced) [[unlikely]]
    trace::run(h, next);
  if (h.threads) {
    jump_as_thread(h, self, next);
    return;
  }
  if (!h.annotate) {
    jump_to(h, self, next);
    return;
  }
  void* fake_stack = nullptr;
  announce_switch(h, self, next, &fake_stack);
  const int error = *h.errno_at;
  set_current(next);
  const auto met = swap_stacks<hub, fiber_base>({&h, self, next}, &self->context, next->context);
  announce_arrival(h, met.left, fake_stack);
  arrived(h, met.left);
  *h.errno_at = error;
}

}  // namespace

[[gnu::noinline]] void with_vectors_saved(hub& h, fiber_base* self, void (*fn)(hub&, fiber_base*)) noexcept {
  const bool live = self->live_vectors;
  self->live_vectors = false;
  // The area is on the fiber's own stack; its size is the machine's.
  auto* area = static_cast<char*>(__builtin_alloca_with_align(vectors::area_bytes(), 64 * 8));
  vectors::save(area);
  fn(h, self);
  vectors::restore(area);
  self->live_vectors = live;
}

[[gnu::noinline]] void jump_with_care(hub& h, fiber_base* self, fiber_base* next) noexcept {
  const eh_globals eh = *h.eh;
  *h.eh = {};
  jump_announced(h, self, next);
  *h.eh = eh;
}

[[gnu::noinline]] fiber_base* first_run(hub& h, fiber_base* next) noexcept {
  fiber_base* self = h.block->current;
  while (next->context == nullptr && next != self) {  // main has no context before its first switch
    if (next->in_task) return first_turn(h, next);
    if (bind(h, next)) break;
    // No stack: the fiber fails without having run (whoever joins it hears why), and the next one has its turn. This is the middle
    // of another fiber's park: the destructors and handlers that run here cannot park.
    ++h.block->in_weft;
    next->result = detail::outcome::no_stack;
    next->ops->discard(next);
    next->state = fiber_state::done;
    finish(h, next);
    detail::fiber_release(next);
    --h.block->in_weft;
    next = next_ready(h);
  }
  return next;
}

void (*on_thread_over)(hub& h, fiber_base* f) noexcept = nullptr;
void (*on_thread_block_free)(fiber_base* f) noexcept = nullptr;
void (*on_turn_over)(const fiber_base* leaving, const fiber_base* entering) noexcept = nullptr;

void leave_for_good(hub& h, fiber_base* self) noexcept {
  *h.eh = {};
  finish(h, self);
  fiber_base* next = pick(h);
  self->state = fiber_state::done;
  if (next->context == nullptr) next = first_run(h, next);
  next->state = fiber_state::running;
  ++h.stats.other_switches;
  leave_with_care(h, self, next, &self->context, 0);  // nobody comes back here to find the modes
  __builtin_unreachable();
}

void allow_threads(hub& h, fiber_base* idler, bool of_the_program) noexcept {
  h.own_fs = h.fs;
  h.eh_offset = reinterpret_cast<std::intptr_t>(h.eh) - static_cast<std::intptr_t>(h.fs);
  h.errno_offset = reinterpret_cast<std::intptr_t>(h.errno_at) - static_cast<std::intptr_t>(h.fs);
  h.idler = idler;
  if (of_the_program) h.idle_reported = h.program_threads = true;  // threads that wait for each other for ever do so natively, too
  h.threads = true;
}

void idle_loop(hub& h) noexcept {
  fiber_base* self = h.idler;
  for (;;) {
    if (fiber_base* late = h.preempted) {
      // A thread that computes has had its turn. Behind it, whoever came meanwhile would wait for another one to be over: twice the delay
      // of each message and each timed wait, such as those by which CPython's threads ask for the GIL.
      h.preempted = nullptr;
      turn(h, 0);
      make_ready(h, late);
    }
    fiber_base* next = next_ready(h);
    self->state = fiber_state::parked;
    ++h.stats.other_switches;
    switch_to(h, self, next);
  }
}

void preempt(hub& h, fiber_base* self) noexcept {
  self->state = fiber_state::ready;
  h.preempted = self;
  ++h.stats.other_switches;
  if (h.traced) [[unlikely]]
    trace::ready(h, self, trace::preempted);
  switch_to(h, self, h.idler);
}

void finish(hub& h, fiber_base* f) noexcept {
  if (fiber_base* woken = end_life(h, f)) make_ready(h, woken);
}

}  // namespace weft::core
