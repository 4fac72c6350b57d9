// What the files of greenlets share: the tree of one fiber (or OS thread) as they know it, and its list of those that live.
//
// greenlet.cpp switches, greenlet_tree.cpp makes and ends.
#pragma once

#include <exception>
#include <memory>

#include "core/stack_pool.hpp"
#include "weft/greenlet.hpp"

namespace weft::detail {

// Stacks of the greenlets of one OS thread, shared by its trees.
struct thread_stacks {
  core::stack_pool pool;
};

struct family : greenlet_tree {
  greenlet_base root;
  std::uint64_t thread = 0;           // as fs, but kept when the fiber is over
  greenlet_base* left = nullptr;      // who was left, for greenlet_arrived
  std::exception_ptr thrown;          // on its way
  greenlet::tracer trace;
  bool tracing = false;
  std::uint32_t refs = 2;             // of its greenlets, the root too, and one of the fiber or thread
  std::shared_ptr<thread_stacks> stacks;
};

inline family& family_of(greenlet_tree* t) noexcept { return *static_cast<family*>(t); }

inline void release(family* t) noexcept {
  if (--t->refs == 0) delete t;
}

// The calling fiber's tree.
family& my_family();

void enlist(greenlet_base* g) noexcept;
void unlist(greenlet_base* g) noexcept;
// One that is over, or never began, and on which nobody has a handle.
void free_greenlet(greenlet_base* g) noexcept;
// Ends a suspended greenlet on which nobody has a handle, or whose fiber ends.
void end_greenlet(greenlet_base* g) noexcept;

}  // namespace weft::detail
