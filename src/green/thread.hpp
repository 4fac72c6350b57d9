// A green thread: what the kernel would keep of a thread, for a pthread that runs as a fiber.
//
// Threads lie in one table, so that a thread id names its block and a block is never another kind of memory. The block begins with the
// fiber. The thread that was there first (the process's main thread, or the one that forked) is `leader()`: its fiber is the hub's
// main fiber or, in a forked child, the fiber that forked; its thread id is the process's.
// Freestanding: a preempted thread may hold malloc's lock.
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>

#include "core/hub.hpp"

namespace weft::green {

using detail::fiber_base;
using detail::hub;

// Ids of green threads lie above any that the kernel gives (at most 2^22), and fit into a futex word (30 bits) and the number of a CPU
// clock (28 bits). Where a process's begin depends on its own id (table.cpp): in memory that processes share, a lock's owner must not be
// taken for a thread of another one.
inline constexpr std::uint32_t first_tid = 1u << 24, end_of_tids = 1u << 28;

// One signal that waits for its thread.
struct pending_signal {
  pending_signal* next;
  bool shared;  // it was sent to the process
  siginfo_t info;
};

struct signal_state {
  std::uint64_t mask = 0;             // blocked
  std::uint64_t pending = 0;          // sent to this thread and not handled yet
};

// What only some calls ask for. Zero means "as inherited from the OS thread".
struct attributes {
  char name[16] = {};
  bool named = false;
  bool scheduled = false;             // policy and priority were set
  bool reset_on_fork = false;
  bool niced = false;
  bool io_prioritized = false;
  std::int8_t nice = 0, policy = 0;
  int priority = 0, io_priority = 0;
  std::uint32_t affinity_bytes = 0;   // not 0: a mask of its own, in affinity_word or, when that is too small, at affinity
  std::uint64_t affinity_word = 0;
  std::uint64_t* affinity = nullptr;
  std::uint64_t timer_slack = 0;
};

struct credentials;  // own_credentials.cpp

// What few threads have: made when it is first set (particulars.cpp), so that the many cost less memory.
struct particulars {
  pending_signal* first = nullptr;    // what came with pending signals, in order
  pending_signal* last = nullptr;
  std::uint64_t kept_mask = 0;        // while `masked_for_call`: what the mask is when the call is over, or its handlers
  std::uint64_t waited_for = 0;       // by sigtimedwait
  std::uint64_t stack = 0, stack_size = 0;  // sigaltstack(2); no size: none
  std::uint32_t stack_flags = 0;      // SS_AUTODISARM
  int parent_death = 0;               // PR_SET_PDEATHSIG
  struct credentials* credentials = nullptr;  // where they are not what most threads have
  attributes is;
  particulars* next_free = nullptr;
};

// Three cache lines: of 10,000 sleeping threads each byte is 10 KB.
struct alignas(64) thread {
  fiber_base own;                     // unused by the leader of a process that never forked
  fiber_base* fiber = nullptr;
  std::uint32_t tid = 0;
  bool alive = false;
  bool exited = false;                // pthread_exit by the leader: it is over, but the process is not
  bool masked_for_call = false;       // sigsuspend, ppoll and their kin
  bool signals_over = false;          // the thread handles no signal any more
  union {
    std::uint32_t* clear_tid = nullptr;  // zeroed and woken when the thread is over
    thread* next_free;                   // of a block that rests
  };
  std::uint64_t robust_list = 0;
  signal_state signals;
  particulars* rare = nullptr;
  std::uint64_t cpu_ns = 0;           // used so far: by the clock since anybody asks (clocks.hpp), before that by ticks of preemption
};
static_assert(sizeof(thread) == 192);

struct counters {
  std::uint64_t created, most, preemptions;
};
inline counters stats{};

// Whether green threads are wanted (WEFT_MODE=green) and possible in this process.
inline bool wanted = false;
// The hub that carries them; null until the first one is made.
inline hub* home = nullptr;
// How many are alive, the leader included; 0 before the first.
inline std::uint32_t alive = 0;

// Whether other OS threads of the program's may wait for what green threads do: each wake then asks the kernel, too.
inline bool natives = false;

thread& leader() noexcept;

// The running green thread, on its carrier. Null for a fiber of another kind (Weft's own, or the API's), and before `home`.
thread* self() noexcept;
// Of any fiber; null likewise.
thread* of(const fiber_base* f) noexcept;
// By thread id, the leader's real one included. Null when there is none (ESRCH).
thread* find(std::uint32_t tid) noexcept;
// Calls fn(t) for every living thread, the leader first.
template <class F>
void each(F&& fn) noexcept;

// ---- particulars.cpp
inline constexpr particulars no_particulars{};
inline const particulars& more(const thread& t) noexcept { return t.rare != nullptr ? *t.rare : no_particulars; }
// For what is about to be set. Null: no memory.
particulars* make_more(thread& t) noexcept;
void drop_more(thread& t) noexcept;
void particulars_after_fork() noexcept;

// ---- table.cpp
void lead(thread& t) noexcept;  // in a forked child, whose threads have other ids than the parent's
thread* take_block() noexcept;  // null: no memory (EAGAIN)
void give_block(thread& t) noexcept;
extern thread* leads;
extern thread* table;
extern std::uint32_t table_used;

template <class F>
void each(F&& fn) noexcept {
  if (leader().alive) fn(leader());
  for (std::uint32_t i = 0; i < table_used; ++i)
    if (table[i].alive && &table[i] != &leader()) fn(table[i]);
}

// ---- signals (signals.hpp has the rest)
// The first green thread is about to be made: leader() is there, its mask is the kernel's.
void start_signals(hub& h) noexcept;
// A new thread inherits its maker's mask; called before it can run.
void inherit_signals(thread& child, const thread& parent) noexcept;
// The thread is over: its pending signals go, its mask counts no more.
void forget_signals(thread& t) noexcept;

}  // namespace weft::green
