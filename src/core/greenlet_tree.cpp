// Greenlets' trees: made with the first greenlet of a fiber or OS thread, ended with it; handles, parents, generators that are lent.
//
// Needs no hub; where there is one, the tree hangs on the fiber (fiber_extra::greenlets). Ends greenlets by switching to them
// (greenlet.cpp), and never waits.
#include <cerrno>
#include <cstdlib>
#include <cxxabi.h>
#include <string>
#include <utility>

#include "core/greenlet.hpp"
#include "core/greenlet_family.hpp"
#include "core/hub_state.hpp"
#include "sys/report.hpp"

namespace weft {

greenlet_error::~greenlet_error() = default;

namespace detail {
namespace {

using core::stack_pool;

static_assert(offsetof(greenlet_tree, current) == core::greenlet_tree_current_at &&
              offsetof(greenlet_tree, live) == core::greenlet_tree_live_at);
static_assert(offsetof(greenlet_base, context) == core::greenlet_context_at &&
              offsetof(greenlet_base, is_root) == core::greenlet_is_root_at &&
              offsetof(greenlet_base, lent) == core::greenlet_lent_at &&
              offsetof(greenlet_base, stack_log2) == core::greenlet_stack_log2_at &&
              offsetof(greenlet_base, parent) == core::greenlet_parent_at && offsetof(greenlet_base, stk) == core::greenlet_stk_at &&
              offsetof(greenlet_base, next) == core::greenlet_next_at);

std::uint64_t thread_pointer() noexcept {
  std::uint64_t fs;
  asm volatile("mov %%fs:0, %0" : "=r"(fs));
  return fs;
}

void end_family(family* t) noexcept;

// What an OS thread has of greenlets. Its own tree serves its main fiber, and the time when there is no hub.
struct thread_part {
  std::shared_ptr<thread_stacks> stacks = std::make_shared<thread_stacks>();
  family* tree = nullptr;
  ~thread_part();
};
thread_local thread_part mine;
thread_local stack_pool* my_pool = nullptr;  // for the fault handler, which must not construct anything

thread_part::~thread_part() {
  if (tree != nullptr) end_family(tree);
  tree = nullptr;
  my_pool = nullptr;
}

family* make_family(fiber_base* f) {
  auto* t = new family;
  t->stacks = mine.stacks;
  my_pool = &mine.stacks->pool;
  t->fs = t->thread = thread_pointer();
  t->fiber = f;
  t->exceptions = reinterpret_cast<exception_head*>(abi::__cxa_get_globals());
  t->errno_at = &errno;
  if (core::annotations_wanted()) t->care |= care_tools;
  t->root.tree = t;
  t->root.state = greenlet_state::live;
  t->root.is_root = t->root.begun = true;
  t->current = &t->root;
  return t;
}

// The main fiber's note of its tree, which goes when the hub does. (fiber_local frees the extra part when it is the last in it.)
void note_on_main(fiber_base* f) {
  auto& extra = core::extra_of(f);
  if (extra.greenlets == nullptr)
    hub_state::of(*f->home).at_end.push_back([f] {
      if (f->extra == nullptr) return;
      f->extra->greenlets = nullptr;
      if (f->extra->locals == nullptr) f->extra->free(std::exchange(f->extra, nullptr));
    });
  extra.greenlets = mine.tree;
}

}  // namespace

family& my_family() {
  fiber_base* f = fiber_if_any(thread_pointer());
  if (f != nullptr && !f->is_main) {
    auto& extra = core::extra_of(f);
    if (extra.greenlets == nullptr) extra.greenlets = make_family(f);
    return *static_cast<family*>(extra.greenlets);
  }
  if (mine.tree == nullptr) mine.tree = make_family(f);
  // The thread may have got its hub since, or lost it.
  if (mine.tree->fiber != f) {
    mine.tree->fiber = f;
    if (f != nullptr) note_on_main(f);
  }
  return *mine.tree;
}

void unlist(greenlet_base* g) noexcept {
  family& t = family_of(g->tree);
  (g->prev != nullptr ? g->prev->next : t.live) = g->next;
  if (g->next != nullptr) g->next->prev = g->prev;
  g->next = g->prev = nullptr;
}

void enlist(greenlet_base* g) noexcept {
  family& t = family_of(g->tree);
  g->next = t.live;
  g->prev = nullptr;
  if (t.live != nullptr) t.live->prev = g;
  t.live = g;
}

void free_greenlet(greenlet_base* g) noexcept {
  delete g->body;
  if (!g->lent && !g->parent->is_root) greenlet_release(g->parent);  // one that is lent may outlive its parent
  family* t = &family_of(g->tree);
  delete g;
  release(t);
}

void end_greenlet(greenlet_base* g) noexcept {
  ++g->refs;
  try {
    greenlet_base* const parent = g->parent;
    const bool lent = std::exchange(g->lent, true);
    greenlet_lend(g);
    // It may catch what is thrown and switch back; not for ever.
    for (int tries = 0; tries < 8 && g->state == greenlet_state::live; ++tries) try {
        if (g->unwinding)
          greenlet_switch(g, greenlet_value());  // a destructor waits for its switch to return: nothing may be thrown there
        else
          greenlet_throw(g, std::make_exception_ptr(greenlet_exit()));
      } catch (...) {
        sys::report() << "a greenlet without handles failed as it was ended: " << core::describe(std::current_exception()).c_str() << "\n";
      }
    g->parent = parent;
    g->lent = lent;
    if (g->state == greenlet_state::live) {
      sys::report() << "a greenlet without handles does not end when greenlet_exit is thrown in it: its stack is lost\n";
      unlist(g);
      return;
    }
  } catch (...) {
    return;
  }
  if (--g->refs == 0 && g->stk == nullptr) free_greenlet(g);
}

namespace {

void end_family(family* t) noexcept {
  while (greenlet_base* g = t->live) {
    if (g->lent)
      unlist(g);  // a generator: whoever holds it may go on with it
    else
      end_greenlet(g);
  }
  t->fs = 0;  // the handles that are left are refused from now on
  greenlet_release(&t->root);
  release(t);
}

}  // namespace

greenlet_base* greenlet_make(greenlet_body* body, greenlet_base* parent, std::size_t stack_size) {
  std::unique_ptr<greenlet_body> owned(body);
  family& t = my_family();
  if (parent != nullptr && parent->tree != &t) throw greenlet_error("a greenlet's parent must be of the same fiber");
  auto* g = new greenlet_base;
  g->tree = &t;
  g->parent = parent != nullptr ? parent : t.current;
  if (!g->parent->is_root) ++g->parent->refs;
  const unsigned usual = t.fiber != nullptr ? t.fiber->home->default_stack_log2 : stack_pool::default_log2;
  g->stack_log2 = static_cast<std::uint8_t>(stack_size == 0 ? usual : stack_pool::size_class(stack_size));
  g->body = owned.release();
  ++t.refs;
  return g;
}

greenlet_base* greenlet_current() {
  greenlet_base* g = my_family().current;
  ++g->refs;
  return g;
}

void greenlet_drop(greenlet_base* g) noexcept {
  if (g->is_root) {
    release(&family_of(g->tree));
    return;
  }
  if (g->state != greenlet_state::live) {
    if (g->stk == nullptr) free_greenlet(g);
    return;  // else it is being left, and reaped then
  }
  if (g == g->tree->current) {
    g->tree->care |= care_unowned;
    return;
  }
  if (family_of(g->tree).thread != thread_pointer()) {
    sys::report() << "the last handle on a suspended greenlet was dropped on another thread: its stack is lost\n";
    return;
  }
  end_greenlet(g);
}

void greenlet_set_parent(greenlet_base* g, greenlet_base* parent) {
  if (g->is_root) throw greenlet_error("the root has no parent");
  if (parent->tree != g->tree) throw greenlet_error("a greenlet's parent must be of the same fiber");
  for (const greenlet_base* p = parent; p != nullptr; p = p->parent)
    if (p == g) throw greenlet_error("a greenlet cannot be its own ancestor");
  if (!parent->is_root) ++parent->refs;
  greenlet_base* const old = std::exchange(g->parent, parent);
  if (!old->is_root) greenlet_release(old);
}

void greenlet_lend(greenlet_base* g) {
  family& t = my_family();
  if (g->tree != &t) {
    family& before = family_of(g->tree);
    if (g->state == greenlet_state::live) {
      if (before.thread != t.thread) throw greenlet_error("the generator belongs to another thread");
      if (before.fs != 0) unlist(g);
      if (g->scopes != nullptr) --before.scoped, ++t.scoped;
      g->tree = &t;
      enlist(g);
    } else {
      g->tree = &t;
    }
    ++t.refs;
    release(&before);
  }
  if (!std::exchange(g->lent, true) && !g->parent->is_root) greenlet_release(g->parent);
  g->parent = t.current;
}

void throw_value_of(const std::type_info* has, const std::type_info& wanted) {
  const auto name = [](const std::type_info& type) {
    int status = 0;
    char* text = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
    std::string result = text != nullptr ? text : type.name();
    std::free(text);
    return result;
  };
  throw greenlet_error("a value of type " + name(wanted) + " was asked for, but " +
                       (has != nullptr ? "one of type " + name(*has) + " was sent" : "nothing was sent"));
}

}  // namespace detail

void greenlet::refuse() { throw greenlet_error("the handle names no greenlet"); }

greenlet::tracer greenlet::set_trace(tracer fn) {
  detail::family& t = detail::my_family();
  tracer before = std::exchange(t.trace, std::move(fn));
  if (t.trace)
    t.care |= detail::care_trace;
  else
    t.care &= ~std::uint32_t{detail::care_trace};
  return before;
}

}  // namespace weft

namespace weft::core {
namespace {

bool find_greenlet(const fiber_base* f, standing& place) noexcept {
  if (f->extra == nullptr || f->extra->greenlets == nullptr) return false;
  const detail::greenlet_base* g = static_cast<const detail::family*>(f->extra->greenlets)->current;
  if (g->is_root || g->stk == nullptr) return false;
  place = {stack_pool::bottom(g->stk), std::size_t{1} << g->stack_log2, g->tsan};
  return true;
}

[[gnu::constructor(102)]] void install() { greenlet_of = find_greenlet; }

}  // namespace

void end_greenlets(void* tree) noexcept { detail::end_family(static_cast<detail::family*>(tree)); }

bool in_greenlet_guard(const void* address, std::size_t& size) noexcept {
  return detail::my_pool != nullptr && detail::my_pool->in_guard(address, size);
}

}  // namespace weft::core
