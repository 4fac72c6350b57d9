// Greenlets: first runs, ends, and every switch that is not the plain one of detail/greenlet_switch.hpp.
//
// Relies on stack_pool, Boost.Context for a stack's first frame, and switch_x86_64.hpp's layout of suspended stacks. Nothing here
// may wait. Trees are made and ended in greenlet_tree.cpp.
#include <cxxabi.h>
#include <new>
#include <utility>

#include "core/fcontext.hpp"
#include "core/greenlet_family.hpp"
#include "core/hub.hpp"
#include "core/switch_x86_64.hpp"

extern "C" {
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, std::size_t size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, std::size_t* size);
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* at, std::size_t size);
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}

namespace weft {

// Handles for the tracer.
struct greenlet_access {
  static greenlet handle(detail::greenlet_base* g) noexcept {
    ++g->refs;
    return greenlet(g);
  }
};

namespace detail {

namespace {

using core::stack_pool;

// ---- cancel scopes: each greenlet has its own above those of its parent

// The innermost scope in force in `g`, which is suspended, its parents' included; links them.
scope* scopes_of(greenlet_base* g) noexcept {
  for (; g != nullptr && g->scopes == nullptr; g = g->parent) {
  }
  if (g == nullptr) return nullptr;
  scope* below = g->parent != nullptr ? scopes_of(g->parent) : nullptr;
  if (below != g->scopes_below) {
    scope* lowest = g->scopes;
    while (lowest->parent != nullptr && lowest->parent != g->scopes_below) lowest = lowest->parent;
    lowest->parent = below;
    g->scopes_below = below;
  }
  return g->scopes;
}

void exchange_scopes(family& t, greenlet_base* from, greenlet_base* to) noexcept {
  fiber_base* f = t.fiber;
  if (f == nullptr) return;
  // (A plain switch, made when nothing was in force, leaves what stood below once as it was.)
  if (f->innermost != nullptr && f->innermost != from->scopes_below) {
    from->scopes = f->innermost;
    ++t.scoped;
  }
  scope* const own = to->scopes;
  scope* const now = scopes_of(to);
  if (own != nullptr) {
    --t.scoped;
    to->scopes = nullptr;
  } else {
    to->scopes_below = now;
  }
  if (f->innermost == now) return;
  f->innermost = now;
  f->cancel_hint = true;  // to be looked at: the next park finds out what it is worth
}

// ---- sanitizers

void announce_leaving(family& t, greenlet_base* from, greenlet_base* to, void** fake_stack) noexcept {
  if (__sanitizer_start_switch_fiber != nullptr) {
    const void* bottom = to->is_root ? to->bottom : stack_pool::bottom(to->stk);
    const std::size_t size = to->is_root ? to->size : std::size_t{1} << to->stack_log2;
    __sanitizer_start_switch_fiber(from->state == greenlet_state::dead ? nullptr : fake_stack, bottom, size);
  }
  if (__tsan_switch_to_fiber != nullptr) {
    if (from->is_root) t.root.tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->tsan, 0);
  }
}

void announce_arrival(family& t, greenlet_base* left, void* fake_stack) noexcept {
  if (__sanitizer_finish_switch_fiber == nullptr) return;
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
  if (left->is_root) {
    t.root.bottom = bottom;
    t.root.size = size;
  }
}

// ---- crossing with everything that a switch may have to take along

[[gnu::noinline]] family& cross(family& tree, greenlet_base* to) noexcept {
  family* t = &tree;
  greenlet_base* const self = t->current;
  const exception_head exceptions = *t->exceptions;
  *t->exceptions = {};
  exchange_scopes(*t, self, to);
  t->left = self;
  if (self->refs == 0 || self->state == greenlet_state::dead) t->after |= after_left;
  if (t->trace != nullptr && !t->tracing) t->after |= after_trace;
  t->care &= ~std::uint32_t{care_unowned};
  const int error = *t->errno_at;
  void* fake_stack = nullptr;
  if ((t->care & care_tools) != 0) announce_leaving(*t, self, to, &fake_stack);
  self->unwinding = exceptions.uncaught != 0;
  // In the slot for one that runs for the first time, else in registers.
  const greenlet_crossing met = greenlet_cross(t, to, to->begun ? t->slot.weft_give() : greenlet_value().weft_give());
  self->unwinding = false;
  t = &family_of(met.tree);
  t->slot = greenlet_value(met.value);
  if ((t->care & care_tools) != 0) announce_arrival(*t, met.left, fake_stack);
  *t->errno_at = error;
  *t->exceptions = exceptions;
  return *t;
}

// The stack of a dead greenlet, which nobody stands on any more.
void reap(greenlet_base* g) noexcept {
  family& t = family_of(g->tree);
  if (g->tsan != nullptr && __tsan_destroy_fiber != nullptr) __tsan_destroy_fiber(g->tsan);
  g->tsan = nullptr;
  t.stacks->pool.give(g->stk, g->stack_log2);
  g->stk = nullptr;
  g->context = nullptr;
  if (g->refs == 0) free_greenlet(g);
}

// Where a switch to `to` goes: past the dead.
greenlet_base* alive(greenlet_base* to) noexcept {
  while (to->state == greenlet_state::dead) to = to->parent;
  return to;
}

// The running greenlet is over; what it leaves is in the slot or in `thrown`. `alive` ends at the root, which never dies.
[[noreturn]] void leave_for_good(greenlet_base* self) noexcept;

bool is_exit(const std::exception_ptr& e) noexcept {
  try {
    std::rethrow_exception(e);
  } catch (const greenlet_exit&) {
    return true;
  } catch (...) {
    return false;
  }
}

// Not noexcept: pthread_exit's forced unwinding passes through, to the end of the stack.
void run_body(greenlet_base* self) {
  greenlet_value result;
  std::exception_ptr failure;
  try {
    greenlet_value first = greenlet_arrived(*self->tree, std::move(self->tree->slot));
    result = self->body->run(std::move(first));
  } catch (const greenlet_exit&) {
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    failure = std::current_exception();
  }
  try {
    delete std::exchange(self->body, nullptr);
  } catch (...) {
    if (failure == nullptr) failure = std::current_exception();
  }
  family& t = family_of(self->tree);
  t.slot = std::move(result);
  if (failure != nullptr) {
    t.thrown = std::move(failure);
    t.after |= after_throw;
  }
}

// First code on a greenlet's stack. Return address unknown on purpose: backtraces and unwinders end here.
[[noreturn]] void entry(core::transfer_t from) {
  asm volatile(".cfi_undefined %rip");
  greenlet_base* left = static_cast<greenlet_base*>(from.data);
  greenlet_base* self = left->tree->current;
  self->begun = true;
  if ((self->tree->care & care_tools) != 0) announce_arrival(family_of(self->tree), left, nullptr);
  *self->tree->errno_at = 0;
  run_body(self);
  leave_for_good(self);
}

// Binds a stack. Throws bad_alloc.
void prepare(greenlet_base* g) {
  family& t = family_of(g->tree);
  stack_pool& pool = t.stacks->pool;
  g->stk = pool.take(g->stack_log2);
  if (g->stk == nullptr) throw std::bad_alloc();
  (void)stack_pool::take_untouched(g->stk);
  char* top = stack_pool::top(g->stk, g->stack_log2);
  // What ran there before left for good, with its frames marked.
  if (__asan_unpoison_memory_region != nullptr)
    __asan_unpoison_memory_region(stack_pool::bottom(g->stk), std::size_t{1} << g->stack_log2);
  g->context = core::suspend_before(
      core::make_fcontext(top, static_cast<std::size_t>(top - stack_pool::bottom(g->stk)), entry));
  if ((t.care & care_tools) != 0 && __tsan_create_fiber != nullptr) g->tsan = __tsan_create_fiber(0);
  g->state = greenlet_state::live;
  enlist(g);
}

void leave_for_good(greenlet_base* self) noexcept {
  family& t = family_of(self->tree);
  unlist(self);
  self->state = greenlet_state::dead;
  greenlet_base* to = alive(self->parent);
  while (to->state == greenlet_state::created) {
    if (t.thrown == nullptr) try {
        prepare(to);
        break;
      } catch (...) {
        t.thrown = std::current_exception();
        t.after |= after_throw;
      }
    // What is thrown at one that has not begun passes it by.
    to->state = greenlet_state::dead;
    to = alive(to);
  }
  cross(t, to);
  __builtin_unreachable();
}

void trace_arrival(family& t, bool thrown) {
  const greenlet origin = greenlet_access::handle(t.left), target = greenlet_access::handle(t.current);
  t.tracing = true;
  try {
    const greenlet::tracer call = t.trace;
    call(thrown ? greenlet_event::thrown : greenlet_event::switched, origin, target);
    t.tracing = false;
  } catch (...) {
    t.tracing = false;
    t.trace = nullptr;
    t.care &= ~std::uint32_t{care_trace};
    throw;
  }
}

// Refuses greenlets of others. The caller's tree.
family& tree_for(greenlet_base* to) {
  family& t = my_family();
  if (to->tree != &t)
    throw greenlet_error(to->tree->fs == 0 ? "the greenlet's fiber or thread is over" : "the greenlet belongs to another fiber or thread");
  return t;
}

greenlet_value go(family& t, greenlet_base* to) {
  family& now = cross(t, to);
  return now.after != 0 ? greenlet_arrived(now, std::move(now.slot)) : std::move(now.slot);
}

}  // namespace

greenlet_value greenlet_switch(greenlet_base* to, greenlet_value v) {
  family& t = tree_for(to);
  to = alive(to);
  if (to == t.current) return v;
  if (to->state == greenlet_state::created) prepare(to);
  t.slot = std::move(v);
  return go(t, to);
}

greenlet_value greenlet_throw(greenlet_base* to, std::exception_ptr e) {
  family& t = tree_for(to);
  if (e == nullptr) e = std::make_exception_ptr(greenlet_exit());
  const greenlet_base* const wanted = to;
  while (to->state != greenlet_state::live) {
    if (to->state == greenlet_state::created) {
      to->state = greenlet_state::dead;
      delete std::exchange(to->body, nullptr);
    }
    to = to->parent;
  }
  const bool quiet = to != wanted && is_exit(e);  // it has ended one, and its parent gets an empty value
  if (to == t.current) {
    if (quiet) return {};
    std::rethrow_exception(e);
  }
  if (!quiet) {
    t.thrown = std::move(e);
    t.after |= after_throw;
  }
  t.slot.reset();
  return go(t, to);
}

// What came is the caller's from here on: below, other greenlets may run.
greenlet_value greenlet_arrived(greenlet_tree& tree, greenlet_value v) {
  family& t = family_of(&tree);
  const std::uint32_t after = std::exchange(t.after, 0);
  const std::exception_ptr thrown = (after & after_throw) != 0 ? std::exchange(t.thrown, nullptr) : nullptr;
  greenlet_base* const left = t.left;
  const auto look_after = [&] {
    if ((after & after_left) == 0) return;
    if (left->state == greenlet_state::dead)
      reap(left);
    else if (left->refs == 0)
      end_greenlet(left);
  };
  if ((after & after_trace) != 0 && t.trace != nullptr) try {
      trace_arrival(t, thrown != nullptr);
    } catch (...) {
      look_after();
      throw;
    }
  look_after();
  if (thrown != nullptr) std::rethrow_exception(thrown);
  return v;
}

}  // namespace detail
}  // namespace weft
