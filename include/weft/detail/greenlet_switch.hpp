// The seam between greenlets' inline switch and src/core/greenlet.cpp: the control blocks, and the crossing itself. x86-64 only.
//
// A greenlet is a stack; a tree is all greenlets that one fiber (or an OS thread without a hub) has, with that flow of control itself
// as root. The switch is inline because a call that returns on another stack is mispredicted by the processor: it leaves by an
// indirect jump and comes back by one, and finds what src/core/switch_x86_64.hpp's stacks look like. Functions that contain it must
// also contain a real call (as they do): one without calls may keep data below the stack pointer.
#pragma once

#include <cstdint>

#include "weft/detail/runtime.hpp"
#include "weft/detail/switch_text.hpp"
#include "weft/greenlet_value.hpp"

namespace weft::detail {

struct greenlet_base;

enum class greenlet_state : std::uint8_t {
  created,  // has no stack yet
  live,     // runs, or is suspended in a switch
  dead,     // its function is over
};

// What the exceptions in flight of an OS thread hang from (src/core/hub.hpp: eh_globals).
struct exception_head {
  void* caught;
  unsigned uncaught;
};

struct greenlet_tree {
  std::uint64_t fs = 0;            // thread pointer of its OS thread
  fiber_base* fiber = nullptr;     // whose tree it is; null: a thread without a hub
  greenlet_base* current = nullptr;
  exception_head* exceptions = nullptr;
  int* errno_at = nullptr;
  // Not 0: switches go through greenlet_switch. Bits of greenlet_care.
  std::uint32_t care = 0;
  // Not 0: who arrives goes through greenlet_arrived. Bits of greenlet_after.
  std::uint32_t after = 0;
  std::uint32_t scoped = 0;        // suspended greenlets that are inside cancel scopes of their own
  greenlet_base* live = nullptr;   // those that have begun and are not over, without the root
  greenlet_value slot;             // what is on its way, besides plain switches
};

enum greenlet_care : std::uint32_t {
  care_tools = 1,    // sanitizers want to hear of switches
  care_trace = 2,    // so does the program
  care_unowned = 4,  // nobody holds a handle on the running greenlet
};
enum greenlet_after : std::uint32_t {
  after_left = 1,   // look at who was left: dead, or without a handle
  after_throw = 2,  // an exception is on its way
  after_trace = 4,
};

// What a greenlet runs.
struct greenlet_body {
  virtual greenlet_value run(greenlet_value first) = 0;
  virtual ~greenlet_body() = default;
};

struct greenlet_base {
  void* context = nullptr;
  greenlet_tree* tree = nullptr;
  greenlet_state state = greenlet_state::created;
  bool is_root = false;
  bool begun = false;  // has run on its stack
  bool lent = false;  // holds no reference on its parent
  bool unwinding = false;  // was left by a destructor, behind an exception
  std::uint8_t stack_log2 = 0;
  std::uint32_t refs = 1;
  greenlet_base* parent = nullptr;
  greenlet_body* body = nullptr;
  stack* stk = nullptr;
  // Its own cancel scopes while it is suspended, and what stood below them when it ran last.
  scope* scopes = nullptr;
  scope* scopes_below = nullptr;
  greenlet_base *next = nullptr, *prev = nullptr;  // the tree's live ones
  void* tsan = nullptr;
  const void* bottom = nullptr;  // the root's stack, as ASan tells it
  std::size_t size = 0;
};

// Makes a greenlet of the calling fiber's tree, created; takes the body. A null parent: the running greenlet. The caller owns one
// reference.
WEFT_API greenlet_base* greenlet_make(greenlet_body* body, greenlet_base* parent, std::size_t stack_size);
// The running greenlet of the calling fiber; one reference more for the caller.
WEFT_API greenlet_base* greenlet_current();
// The last reference has gone.
WEFT_API void greenlet_drop(greenlet_base* g) noexcept;
// Any switch: the first one too, to a dead greenlet (its parent gets the value), in spite of care. Throws what was thrown in.
WEFT_API greenlet_value greenlet_switch(greenlet_base* to, greenlet_value v);
WEFT_API greenlet_value greenlet_throw(greenlet_base* to, std::exception_ptr e);
// After a crossing with tree.after not 0.
WEFT_API greenlet_value greenlet_arrived(greenlet_tree& t, greenlet_value v);
WEFT_API void greenlet_set_parent(greenlet_base* g, greenlet_base* parent);
// Moves a suspended or new greenlet into the calling fiber's tree, with the running greenlet as parent (no reference held): for
// generators, which whoever asks next resumes.
WEFT_API void greenlet_lend(greenlet_base* g);

inline void greenlet_release(greenlet_base* g) noexcept {
  if (--g->refs == 0) greenlet_drop(g);
}

// The calling fiber, null on a thread without a hub.
inline fiber_base* fiber_if_any(std::uint64_t fs) noexcept {
  std::uint64_t block_fs;
  asm volatile("mov %%gs:0, %0" : "=r"(block_fs));
  return block_fs == fs ? current_fiber() : nullptr;
}

// Whether `to` can be switched to by greenlet_cross: suspended, of the calling fiber, and nothing has to be looked after.
inline bool greenlet_direct(const greenlet_base* to) noexcept {
  const greenlet_tree* t = to->tree;
  std::uint64_t fs;
  asm volatile("mov %%fs:0, %0" : "=r"(fs));
  const fiber_base* f = fiber_if_any(fs);
  return t->fs == fs && t->fiber == f && to->state == greenlet_state::live && to != t->current &&
         (reinterpret_cast<std::uintptr_t>(t->exceptions->caught) | t->exceptions->uncaught | t->care | t->scoped) == 0 &&
         (f == nullptr || f->innermost == nullptr);
}

// Who meets at a crossing, and the halves of the value that goes along. (Not when `to` runs for the first time: what it gets lies in
// the tree's slot.)
struct greenlet_crossing {
  greenlet_tree* tree;
  greenlet_base* left;
  greenlet_value::weft_halves value;
};

// Suspends the running greenlet of `t` and resumes `to`. Returns, when somebody resumes the caller, that one's crossing.
[[gnu::always_inline]] inline greenlet_crossing greenlet_cross(greenlet_tree* t, greenlet_base* to,
                                                               greenlet_value::weft_halves v) noexcept {
  greenlet_base* self = t->current;
  greenlet_base* resumed = to;
  void** save = &self->context;
  void* load = to->context;
  t->current = to;
  register const greenlet_value_ops* ops asm("r8") = v.ops;
  register std::uint64_t word asm("r9") = v.word;
  asm volatile(
      WEFT_SWAP_STACKS
      : "+a"(self), "+b"(t), "+S"(resumed), "+D"(save), "+d"(load), "+r"(ops), "+r"(word)
      :
      : "rcx", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc" WEFT_CLOBBERS_VECTORS);
  return {t, self, {ops, word}};
}

// Switches with a value, and returns the one that comes back.
[[gnu::always_inline]] inline greenlet_value greenlet_switch_here(greenlet_base* to, greenlet_value&& v) {
  if (!greenlet_direct(to)) [[unlikely]]
    return greenlet_switch(to, std::move(v));
  greenlet_tree* t = to->tree;
  const int error = *t->errno_at;
  const greenlet_crossing met = greenlet_cross(t, to, v.weft_give());
  t = met.tree;
  *t->errno_at = error;
  if (t->after != 0) [[unlikely]]
    return greenlet_arrived(*t, met.value);
  return met.value;
}

}  // namespace weft::detail
