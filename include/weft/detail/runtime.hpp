// The seam between the public headers and the core: the few types and functions that inline code needs.
//
// Nothing here is meant for programs; it may change with every release. The types are plain data because the core works on
// them without libc, exceptions or thread_local (a preempted green thread may hold malloc's lock).
#pragma once

#include <cstddef>
#include <cstdint>

#define WEFT_API __attribute__((visibility("default")))

namespace weft::detail {

struct hub;         // src/core/hub.hpp
struct fiber_base;  // below
struct stack;       // src/core/stack_pool.hpp
struct scope;
struct suspension;  // detail/turns.hpp
struct task_access;  // weft/task/access.hpp: the awaited forms of waits, which see what members see

// A point on the hub's clock (CLOCK_MONOTONIC, or the virtual clock of a test), in nanoseconds.
using nanos = std::uint64_t;
inline constexpr nanos never = ~nanos{0};

// Why a park ended. `pending` is the only state a parked waiter can be in; exactly one waker moves it on.
enum class wake : std::uint8_t {
  pending,      // still parked, or not parked yet
  ready,        // what was waited for happened
  timeout,      // the deadline passed first
  cancelled,    // a cancel scope around the wait was cancelled
  interrupted,  // throw_in: an exception waits for the fiber
  closed,       // the thing waited on went away (descriptor closed, queue closed, hub ending)
  deadlock,     // nothing could ever have woken it
  impossible,   // not parked: on a signal stack, or inside the runtime
  signalled,    // a signal is to be handled on the fiber (src/io/signals.hpp); only calls of rewritten sites end so
};

struct list_link {
  list_link* next = nullptr;  // null when not linked
  list_link* prev = nullptr;

  bool linked() const noexcept { return next != nullptr; }
  void unlink() noexcept {
    next->prev = prev;
    prev->next = next;
    next = prev = nullptr;
  }
};

// An element of a list of things to tell. The parked wait is one kind, a joinall counter or a done-callback another.
struct wait_node : list_link {
  void (*notify)(wait_node*) noexcept = nullptr;
};

// FIFO of wait nodes. A node can be withdrawn without knowing its list, which is what makes every abort O(1).
class wait_list {
public:
  wait_list() noexcept { head_.next = head_.prev = &head_; }
  wait_list(const wait_list&) = delete;
  wait_list& operator=(const wait_list&) = delete;

  bool empty() const noexcept { return head_.next == &head_; }
  wait_node* front() noexcept { return empty() ? nullptr : static_cast<wait_node*>(head_.next); }
  // The node after `n`, null at the end.
  wait_node* after(wait_node* n) noexcept { return n->next == &head_ ? nullptr : static_cast<wait_node*>(n->next); }
  void push_back(wait_node& n) noexcept {
    n.prev = head_.prev;
    n.next = &head_;
    head_.prev->next = &n;
    head_.prev = &n;
  }
  wait_node* pop_front() noexcept { return empty() ? nullptr : &take_front(); }
  // The same of a list that is not empty.
  wait_node& take_front() noexcept {
    auto& n = static_cast<wait_node&>(*head_.next);
    n.unlink();
    return n;
  }
  // The node, when there is exactly one; null otherwise. `clear` unlinks that one.
  wait_node* only() noexcept { return !empty() && head_.next == head_.prev ? static_cast<wait_node*>(head_.next) : nullptr; }
  void clear() noexcept {
    head_.next->next = head_.next->prev = nullptr;
    head_.next = head_.prev = &head_;
  }
  // Tells every node that is linked now, in order; what is added meanwhile waits for the next time. Nodes are unlinked first.
  void notify_all() noexcept {
    wait_node* first = front();
    if (first == nullptr) return;
    if (first->next == &head_) {
      first->unlink();
      first->notify(first);
      return;
    }
    wait_list now;
    now.head_ = head_;
    now.head_.next->prev = now.head_.prev->next = &now.head_;
    head_.next = head_.prev = &head_;
    while (wait_node* n = now.pop_front()) n->notify(n);
  }

private:
  list_link head_;
};

// A moment at which `fire` is called, by the hub, in Weft code that must not block.
struct timer_node {
  timer_node() noexcept : position(0) {}  // the rest is written when it is armed: most waits have no deadline

  std::uint32_t position;  // 0: idle; 1: in the wheel; else index in the heap + 2
  void* place;             // in the wheel: its entry there; put aside for want of memory: the next such timer
  nanos deadline;
  void (*fire)(timer_node*) noexcept;
};

// One wait of one fiber, on that fiber's stack. Withdrawn (unlinked, timer disarmed) by whoever wakes it, before the fiber runs.
struct waiter : wait_node {
  explicit waiter(const char* why) noexcept;
  waiter(const char* why, fiber_base* who) noexcept : fiber(who), reason(why) { notify = &waiter::wake_ready; }
  static WEFT_API void wake_ready(wait_node* self) noexcept;

  fiber_base* fiber;
  const char* reason;                          // for humans: "sleep", "recv", "mutex.lock", ...
  nanos since;                                 // hub time at which it parked
  void (*on_abort)(waiter*) noexcept = nullptr;  // called by the waker when the result is anything but ready
  wake result = wake::pending;
  bool uncancellable = false;                  // reacquiring a mutex, joining children: cancellation waits
  bool uninterruptible = false;                // in a rewritten system call that no signal ends: disk I/O
  bool awaited = false;                        // a co_await's: part of a task_wait (detail/turns.hpp)
  std::uint32_t uncaught;                      // exceptions that were unwinding the fiber when it parked
  timer_node timer;
};

// A cancel scope: a stretch of one fiber's execution that can be cancelled as a whole (trio). Lives on the fiber's stack.
struct scope {
  scope* parent = nullptr;
  fiber_base* fiber = nullptr;  // null outside enter .. exit
  timer_node timer;
  bool cancelled = false;
  bool by_deadline = false;
  bool shielded = false;
  std::uint32_t uncaught = 0;  // exceptions that were unwinding the fiber when it entered: more now means "in a destructor since"
};

struct fiber_ops {
  void (*invoke)(fiber_base*);             // runs the body; may throw
  void (*discard)(fiber_base*) noexcept;   // destroys a body that never ran
  void (*destroy)(fiber_base*) noexcept;   // destroys the result; null when there is nothing to destroy
  std::uint32_t size;                      // of the whole block
};

enum class fiber_state : std::uint8_t {
  created,  // in the ready queue, no stack yet
  ready,    // in the ready queue, suspended
  running,  // the current fiber of its hub
  parked,   // waiting; `parked` tells on what
  done,     // over; the block lives on while handles do
};

enum class outcome : std::uint8_t { none, value, exception, cancelled, no_stack };

// Rare facts about a fiber, allocated when first needed.
struct fiber_extra;

// The control block. The first cache line is what a switch touches.
struct fiber_base {
  fiber_base* next = nullptr;   // ready queue
  void* context = nullptr;      // where it is suspended, null until first run
  hub* home = nullptr;
  waiter* parked = nullptr;
  union {
    stack* stk = nullptr;
    std::uint64_t thread_pointer;  // of a green thread, which stands on a stack of the program's: its FS base
    suspension* leaf;           // of a task, which has no stack: the await that it is suspended in
  };
  const fiber_ops* ops = nullptr;
  std::uint32_t refs = 1;       // handles + the run itself; only touched on the home hub
  std::uint32_t epoch = 0;      // survives reuse of the block: a stale waker sees another number
  fiber_state state = fiber_state::created;
  outcome result = outcome::none;
  std::uint8_t stack_log2 = 0;
  bool cancel_requested = false;  // fiber.cancel(): the outermost scope
  // Four bytes that a park reads as one word (src/core/switch.hpp).
  bool cancel_hint = false;       // some scope is cancelled or an exception waits
  bool live_vectors = false;      // inside a rewritten system call: vector registers belong to the caller
  std::uint8_t call = 0;          // call_flags below
  bool unlisted : 1 = true;       // not in hub::all: has not parked yet
  bool in_task : 1 = false;       // a coroutine's body runs: it suspends by co_await, and may not park. Of a task, always
  bool observed : 1 = false;      // somebody asked for the outcome
  bool is_main : 1 = false;
  bool taken : 1 = false;         // the value was moved out
  bool service : 1 = false;       // Weft's own (timer callbacks, resolver): not counted as the program's
  bool own_thread : 1 = false;    // its function runs as a green thread, for which it waits
  bool green : 1 = false;         // a thread of the program's (src/green), with a thread control block of its own
  // second line
  scope* innermost = nullptr;
  fiber_extra* extra = nullptr;
  const void* site = nullptr;     // return address of spawn
  fiber_base *all_next = nullptr, *all_prev = nullptr;
  wait_list completion;
  union {
    nanos created = 0;            // on the hub's clock, as of its last look at it
    void* exception;              // of one that ended by one (outcome::exception): a std::exception_ptr's storage
  };
};
static_assert(sizeof(fiber_base) == 128 && offsetof(fiber_base, cancel_hint) == 60 && offsetof(fiber_base, call) == 62);

// fiber_base::call. A signal handler changes them too: each change is one instruction.
enum call_flags : std::uint8_t {
  in_call = 1,     // inside a rewritten system call that was handed to Weft; its waits can be ended by signals
  signal_due = 2,  // signals are to be handled when that call comes back
  no_tick = 4,     // a green thread in code of Weft's that is ordinary C++: it is not preempted
  computed = 8,    // a green thread that was preempted: whom it wakes next goes first (core/due.hpp)
};

// What the GS base of every OS thread points at: the thread's place in Weft. The kernel copies GS to new threads, so a thread
// may start with its creator's; `fs` tells whose block it is (the FS base is the thread pointer, distinct for living threads).
// Fields are read by single %gs: instructions, at the offsets asserted below, and never kept across a park.
struct carrier {
  std::uint64_t fs = 0;
  carrier* self = nullptr;
  hub* home = nullptr;
  fiber_base* current = nullptr;
  std::uint32_t in_weft = 0;    // the dispatcher passes every call through while this is set
  std::uint32_t vfork_pid = 0;  // a vfork child shares this memory: everything passes through until this process runs again
  std::uint64_t signal_stack = 0;       // Weft's alternate signal stack, on which nothing may park
  std::uint64_t signal_stack_size = 0;
  bool owns_signal_stack = false;
  std::uint32_t due = 0;  // not 0: something came up inside Weft (a tick, a signal) that is done when the call comes back
};
static_assert(offsetof(carrier, self) == 8 && offsetof(carrier, home) == 16 && offsetof(carrier, current) == 24 &&
              offsetof(carrier, due) == 60);

// True when the calling OS thread has a block of its own, and so a hub.
inline bool attached() noexcept {
  std::uint64_t block_fs, fs;
  asm volatile("mov %%gs:0, %0" : "=r"(block_fs));
  asm volatile("mov %%fs:0, %0" : "=r"(fs));
  return block_fs == fs;
}

inline carrier* this_carrier() noexcept {
  carrier* c;
  asm volatile("mov %%gs:8, %0" : "=r"(c));
  return c;
}

// The calling OS thread's hub, null when it has none yet.
inline hub* try_hub() noexcept {
  if (!attached()) [[unlikely]]
    return nullptr;
  hub* h;
  asm volatile("mov %%gs:16, %0" : "=r"(h));
  return h;
}

// Creates the calling OS thread's hub; its present flow of control becomes the main fiber. Throws std::system_error when the
// kernel refuses the memory or descriptors for it.
WEFT_API hub& create_hub();

inline hub& current_hub() {
  hub* h = try_hub();
  return h != nullptr ? *h : create_hub();
}

// The running fiber; current_hub() must have been called on this thread.
inline fiber_base* current_fiber() noexcept {
  fiber_base* f;
  asm volatile("mov %%gs:24, %0" : "=r"(f));
  return f;
}

inline waiter::waiter(const char* why) noexcept : waiter(why, current_fiber()) {}

// ---- core functions; all noexcept, all for the calling thread's own hub

// THE suspension point. The caller has linked `w` wherever its waker will look. Returns why it ended; `w` is then linked nowhere.
// Reports (never waits for) a cancellation that is already due.
WEFT_API wake park(hub& h, waiter& w, nanos deadline = never) noexcept;

// Makes the fiber parked on `w` ready, without switching to it. False, and nothing happens, when `w` was woken already.
WEFT_API bool unpark(waiter& w, wake why = wake::ready) noexcept;

// Lets every fiber that is ready now run before the caller goes on. Returns ready (or pending), or what is due for the caller.
WEFT_API wake yield(hub& h) noexcept;

WEFT_API nanos now(hub& h) noexcept;

// Whether a cancellation or thrown-in exception is due for the running fiber here and now (shields considered).
WEFT_API wake cancellation_due(hub& h) noexcept;

WEFT_API void scope_enter(hub& h, scope& s, nanos deadline) noexcept;
// Leaves the innermost scope. True when it was cancelled and no scope outside it is: the `cancelled` that unwound to here is its own.
WEFT_API bool scope_exit(hub& h, scope& s) noexcept;
WEFT_API void scope_cancel(scope& s) noexcept;
// Moves the deadline of a scope that was entered.
WEFT_API void scope_deadline(scope& s, nanos deadline) noexcept;
// The first deadline of those of the scopes around the running fiber that reach it; 0 when it is cancelled already.
WEFT_API nanos first_deadline(hub& h) noexcept;
// Raises or lowers the scope's shield; what waited behind a shield that is lowered is delivered.
WEFT_API void scope_shield(scope& s, bool on) noexcept;

WEFT_API void timer_arm(hub& h, timer_node& t, nanos deadline) noexcept;
WEFT_API void timer_disarm(hub& h, timer_node& t) noexcept;

// A block of `size` bytes for a fiber, header not constructed; `at` is null when memory or stacks have run out.
struct fiber_block {
  void* at;
  std::uint32_t epoch;
  std::uint8_t stack_log2;
};
WEFT_API fiber_block fiber_alloc(hub& h, std::size_t size, std::size_t stack_size) noexcept;
// fiber_alloc, construction and fiber_start in one, for a body whose construction cannot fail: the caller constructs it before it
// does anything else. The caller owns one reference. Null when memory or stacks have run out.
WEFT_API fiber_base* fiber_spawn(hub& h, const fiber_ops* ops, std::size_t stack_size) noexcept;
// Gives back a block whose fiber was never started.
WEFT_API void fiber_dealloc(hub& h, fiber_block block, std::size_t size) noexcept;
// Puts a constructed fiber into the ready queue.
WEFT_API void fiber_start(fiber_base* f) noexcept;
// The last reference has gone.
WEFT_API void fiber_free(fiber_base* f) noexcept;
inline void fiber_release(fiber_base* f) noexcept {
  if (--f->refs == 0) fiber_free(f);
}
inline void fiber_retain(fiber_base* f) noexcept { ++f->refs; }
// Requests cancellation; wakes the fiber if it is parked where it can be cancelled. A fiber that has not begun never will.
WEFT_API void fiber_cancel(fiber_base* f) noexcept;

// Names one park of one fiber from afar: harmless when that park is over, even when the fiber is.
struct waker {
  fiber_base* fiber = nullptr;
  std::uint32_t epoch = 0;
};
inline waker make_waker(const waiter& w) noexcept { return {w.fiber, w.fiber->epoch}; }
// On the fiber's hub: unparks if the fiber still is in that very park.
WEFT_API bool wake_if_current(waker w, wake why = wake::ready) noexcept;

// Hands an exception to the fiber: its next (or present) park ends as `interrupted`. Takes the exception_ptr's storage.
WEFT_API void fiber_interrupt(fiber_base* f) noexcept;

// Whether `h` is the calling OS thread's hub. A hub begins with the FS base of the thread that runs it (0 when it has ended; its
// memory is never unmapped), which makes this one load and one comparison.
inline bool on_hub(const hub* h) noexcept {
  std::uint64_t fs;
  asm volatile("mov %%fs:0, %0" : "=r"(fs));
  return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(h), __ATOMIC_RELAXED) == fs;
}

}  // namespace weft::detail
