// How a coroutine suspends, as the core sees it: the waits that a co_await makes, and what the control block of a task adds to a
// fiber's. Plain data, as in runtime.hpp; knows no coroutine types.
#pragma once

#include "weft/detail/runtime.hpp"

namespace weft::detail {

// An await that a coroutine is suspended in; it lies in the coroutine's frame.
struct suspension {
  void* frame = nullptr;  // of the coroutine
  // Called on the task's turn before it is resumed: the rest of an operation that may have to wait again (false: it does).
  bool (*step)(suspension&) noexcept = nullptr;
};

// An await that parks, like a fiber, until its waker comes: the suspension, and right behind it a waiter (or what is derived from one).
template <class Waiter>
struct task_wait : suspension, Waiter {
  template <class... A>
  explicit task_wait(A&&... a) noexcept : Waiter(static_cast<A&&>(a)...) {
    static_assert(sizeof(suspension) % alignof(Waiter) == 0);
    this->awaited = true;
  }
};
// Of a waiter that is `awaited`.
inline suspension& suspension_of(waiter& w) noexcept { return *(reinterpret_cast<suspension*>(&w) - 1); }

// What runs a task besides what runs any fiber: `invoke` is not used.
struct task_ops : fiber_ops {
  void* (*start)(fiber_base*);    // makes the outermost coroutine; its frame. May throw
  void (*collect)(fiber_base*);   // that coroutine is over: its result goes into the block, its frame goes; throws what it threw
};

// A suspended coroutine that a fiber runs as a part of itself (weft::await): what the fiber parks on in its place.
struct driven {
  suspension* at = nullptr;   // null: not suspended, so over
  waiter* wait = nullptr;     // null: it yields
  nanos deadline = never;
  wake* due = nullptr;        // of a yield: gets what was due
};

// Suspends the running coroutine on `w`, part of a task_wait, which its waker can find already; frame and fiber are set. False: there is
// nothing to wait for (any more), `w.result` says why.
WEFT_API bool suspend_on(waiter& w, nanos deadline) noexcept;
// Suspends the running coroutine until all that are ready now have run. False, and `due` is set, when it is being cancelled.
WEFT_API bool suspend_ready(suspension& s, wake& due) noexcept;
// The running coroutine hands over to another of the same task, by way of whoever resumed it: for builds in which a chain of direct
// transfers would nest calls without bound.
WEFT_API void transfer_later(void* frame) noexcept;

// A control block for a task. The caller, who owns one reference, constructs what is behind the header, and starts it or gives it
// back. Null when the hub has no driver yet, or memory has run out.
WEFT_API fiber_base* task_alloc(hub& h, const task_ops* ops) noexcept;
WEFT_API void task_start(fiber_base* f) noexcept;
// task_alloc and task_start in one, for a body whose construction cannot fail: the caller constructs it before it does anything else.
WEFT_API fiber_base* task_spawn(hub& h, const task_ops* ops) noexcept;
WEFT_API void task_dealloc(fiber_base* f) noexcept;

}  // namespace weft::detail
