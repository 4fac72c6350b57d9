// The hub: one per OS thread that uses Weft. Owns the fibers, stacks, timers, poller and descriptors of that thread.
//
// There is no hub loop and no hub stack: a fiber that parks picks the next ready one and switches straight to it; the one that
// finds the ready queue empty polls, on its own stack, in code that is bounded and calls nobody back (hub.cpp, `next_ready`).
#pragma once

#include "core/closed_fds.hpp"
#include "core/fd_table.hpp"
#include "core/remote.hpp"
#include "core/slab.hpp"
#include "core/stack_pool.hpp"
#include "core/timer_queue.hpp"
#include "core/trace_writer.hpp"
#include "core/turns.hpp"
#include "poller/poller.hpp"
#include "weft/detail/runtime.hpp"

namespace weft::core {

using detail::fiber_base;
using detail::fiber_state;
using detail::hub;
using detail::scope;
using detail::waiter;
using detail::wake;

// The head of what libstdc++ keeps per thread for exceptions in flight (unwind-cxx.h, fixed by the Itanium C++ ABI). Each fiber
// needs its own: two fibers suspended in catch blocks would rethrow each other's exception.
struct eh_globals {
  void* caught;
  unsigned uncaught;
};

// What the watchdog (watchdog.cpp) knows of a hub. Only its thread looks here.
struct watch_mark {
  std::uint64_t progress = 0;
  detail::nanos since = 0;       // last time that the hub was seen to move, to sleep, or to have nobody waiting; 0: never looked at
  bool reported = false;
};

struct counters {
  std::uint64_t fibers_created, other_switches, parks, polls, blocked_polls, io_events, timers_fired, remote_wakes, offloads;
  std::uint64_t poll_switches;  // voluntary context switches inside polls; only counted when audited
};

}  // namespace weft::core

namespace weft::io {
struct offload_state;  // src/io/offload_op.hpp
class file_position;   // src/io/file_position.hpp
}

namespace weft::detail {

// What a fiber needs that most do not. Lives in malloc'ed memory of the public layers; the core only looks at `thrown`.
struct fiber_extra {
  const char* name = nullptr;
  void* thrown = nullptr;         // exception_ptr storage of throw_in
  void* locals = nullptr;         // fiber_local values
  void* greenlets = nullptr;      // its tree (core/greenlet_tree.cpp)
  void (*free)(fiber_extra*) noexcept = nullptr;
};

struct hub {
  // -- what every switch touches
  std::uint64_t fs = 0;          // of the thread that runs it; first, for detail::on_hub
  carrier* block = nullptr;
  fiber_base* ready_first = nullptr;
  fiber_base* ready_last = nullptr;
  core::eh_globals* eh = nullptr;
  int* errno_at = nullptr;
  std::uint32_t ticks = 0;
  bool annotate = false;         // sanitizers or valgrind want to hear of switches
  bool threads = false;          // some fibers are green threads: a switch may change the thread control block
  bool turns_heard = false;      // on_turn_over is called at each switch: for CPU time of green threads, or their credentials
  bool traced = false;           // what happens is recorded (trace.hpp). The last of four that a switch reads as one word
  void* audit = nullptr;         // WEFT_AUDIT: what is known of this thread (patch/audit.hpp)
  std::uint64_t last_poll = 0;   // cycle counter
  nanos cached_now = 0;          // as of the last poll: for ages, not for deadlines
  std::uint64_t shuffle = 0;     // state of the generator, 0: FIFO
  core::counters stats;          // hub_open clears them
  fiber_base* idler = nullptr;   // who polls where green threads are: never on the stack of one that is parked
  std::uint64_t own_fs = 0;      // FS base of the OS thread, and so of every fiber that is no green thread
  std::ptrdiff_t eh_offset = 0, errno_offset = 0;  // of a thread's `eh` and `errno_at` from its FS base

  // -- fibers
  std::size_t live = 1;          // not done, main included, service fibers not
  unsigned default_stack_log2 = core::stack_pool::default_log2;
  fiber_base main;               // head of the list of fibers that have parked (all_next); the others are ready or running
  core::slab blocks;
  std::size_t blocks_out = 0;    // fibers that are running or have handles
  waiter* last_one = nullptr;    // main, waiting at the end for live == 1
  wait_list quiet;               // fibers that wait for all the others to be parked
  core::stack_pool stacks;
  core::task_turns tasks;

  // -- time
  core::timer_queue timers;
  nanos virtual_now = 0;
  bool virtual_time = false;
  nanos last_trim = 0;
  core::stack_pool::trimmed trim_left = core::stack_pool::trimmed::all;

  // -- the world
  poller::poller* poll = nullptr;
  int reports = 0, reports_told = 0;  // of the poller's last wait: how many there were, and how many have been told (reports.cpp)
  core::fd_table fds;
  std::size_t fd_waiters = 0;    // linked fd_nodes
  core::closed_fds closed;       // by other threads
  core::remote_inbox inbox;
  core::remote_node* remote_first = nullptr;  // taken from the inbox, not run yet
  core::remote_node* remote_last = nullptr;
  core::remote_node* signals_due = nullptr;   // recorded signals, each assigned to a fiber that handles it (io/signals.hpp)
  sys::atomic<std::uint32_t> sleeping;
  std::uint32_t futex_waiters = 0;      // fibers that another thread, or a signal handler, could wake
  sys::atomic<std::uint32_t> external;  // who else could wake it: remote handles, pool jobs, handled signals
  io::offload_state* offload = nullptr;  // made by its first offloaded call
  io::file_position* held_positions = nullptr;  // at which offloaded calls are under way
  struct {
    fiber_base* fiber = nullptr;
    std::uint64_t frame = 0;
  } handler;                     // a signal handler that runs on top of whatever this fiber did; stale when it has jumped away
  fiber_base* preempted = nullptr;  // for the idler, which puts it behind those whom the poll wakes
  bool idle_reported = false;
  bool program_threads = false;  // the program's threads are green: it knows no hub, which ends with the process
  bool closing = false;
  void* face = nullptr;          // the public layers' per-hub state (core/hub_state.hpp)
  void* main_tsan = nullptr;
  const void* main_stack = nullptr;  // as ASan tells it at the first switch
  std::size_t main_stack_size = 0;
  hub* next_hub = nullptr;       // in the list of all hubs
  std::uint32_t thread = 0;      // kernel's id of its OS thread
  core::watch_mark watched;
  core::trace_writer tracer;
};

}  // namespace weft::detail

namespace weft::core {

// Builds a hub for the calling thread in `memory` (hub_bytes() of zeroed memory). `eh` and `errno_at` are the thread's own.
// Null with -errno in `error` when the kernel refuses a poller.
hub* hub_open(void* memory, detail::carrier* block, eh_globals* eh, int* errno_at, long& error) noexcept;
std::size_t hub_bytes() noexcept;
// Closes an idle hub: no fiber but main is left.
void hub_close(hub& h) noexcept;

// The list of all hubs (hub::next_hub), under the registry's lock (attach.cpp).
extern hub* all_hubs;

// Hands work to a hub from any thread or signal handler.
void hub_post(hub& h, remote_node& n) noexcept;

// Runs what other threads have sent, in the order in which it came.
void take_remote(hub& h) noexcept;
// Takes out of what was sent and has not run what `unwanted` says. In the child of a fork: it is the parent's business.
void drop_remote(hub& h, bool (*unwanted)(remote_node* n) noexcept) noexcept;

// Calls fn(h, self) with the vector registers of the running fiber saved, and gives them back: inside a rewritten system call they
// belong to its caller, and whatever the hub runs of others (take_remote, turn) is ordinary C++.
void with_vectors_saved(hub& h, fiber_base* self, void (*fn)(hub&, fiber_base*)) noexcept;

// The next fiber to run, taken from the ready queue; polls and waits until there is one.
fiber_base* next_ready(hub& h) noexcept;

// One look at the world without waiting: I/O reports, due timers, remote work.
void turn(hub& h, std::uint64_t timeout) noexcept;

// Tells the next of the poller's reports, until somebody is ready or all are told.
void tell_reports(hub& h) noexcept;
// Tells the waiters of `fd` what was reported.
void fd_report(hub& h, int fd, fd_entry& e, std::uint32_t events) noexcept;
// The number is about to be closed or replaced: its waiters wake as `closed`, what was known of it is forgotten.
void fd_forget(hub& h, int fd) noexcept;

// Gives up what src/io keeps for the hub's offloaded calls; set once there is something.
extern void (*end_offload)(hub& h) noexcept;
// Weft's own threads, which wake nobody by themselves.
extern sys::atomic<std::uint32_t> own_threads;
// Threads of this process that could still do something for a hub: all but the caller, Weft's own and the kernel's io_uring workers.
bool other_threads() noexcept;

// Here and now the caller can only wait as its OS thread: it stands on a signal stack, or inside Weft.
bool parking_impossible(const hub& h) noexcept;

// Set by the public layers: told once when nothing can ever run again (stuck_wait in hub.cpp). Bounded code.
extern void (*on_stuck)(hub& h, bool certain) noexcept;

// What the timer of a waiter does.
void wake_timed_out(detail::timer_node* t) noexcept;

// For timer_queue::nearing (park.cpp).
void sleeper_nears(const detail::timer_node& t, int stage) noexcept;

// What a new fiber runs on its own stack, set by the public layers (they catch what the body throws).
extern void (*fiber_body)(fiber_base* f) noexcept;
// Destroys what a fiber that is over left behind (result, exception, extra), reporting a failure nobody saw. Also the public
// layers'. May be called twice: it leaves nothing to do.
extern void (*fiber_dispose)(fiber_base* f) noexcept;
inline bool leaves_something(const fiber_base* f) noexcept {
  return f->result == detail::outcome::exception || f->extra != nullptr || f->result == detail::outcome::no_stack ||
         (f->result == detail::outcome::value && f->ops->destroy != nullptr);
}
// What becomes of a green thread when it is over and nobody stands on its stack any more, and of its block when nobody refers to it.
// Set by src/green.
extern void (*on_thread_over)(hub& h, fiber_base* f) noexcept;
extern void (*on_thread_block_free)(fiber_base* f) noexcept;
// Where hub::turns_heard is set: before each switch between fibers of which some are threads. Set by src/green.
extern void (*on_turn_over)(const fiber_base* leaving, const fiber_base* entering) noexcept;
// The running fiber is over: switches away for good.
[[noreturn]] void leave_for_good(hub& h, fiber_base* self) noexcept;
// From now on fibers of the hub may be green threads, those `of_the_program` (weft run) or of fibers that asked for one (own_thread).
// `idler` is a fiber that runs idle_loop.
void allow_threads(hub& h, fiber_base* idler, bool of_the_program) noexcept;
[[noreturn]] void idle_loop(hub& h) noexcept;
// Lets the idler look at the world and puts the running fiber behind whoever is ready then. For the tick's handler.
void preempt(hub& h, fiber_base* self) noexcept;

// Takes a fiber out of the lists of the living and tells those who wait for it.
void finish(hub& h, fiber_base* f) noexcept;

// Calls fn(f) for every fiber that is not done, main first. fn may end no fiber.
template <class F>
void each_fiber(hub& h, F&& fn) {
  fiber_base* next;
  for (fiber_base* f = &h.main; f != nullptr; f = next) {
    next = f->all_next;
    fn(f);
  }
  for (fiber_base* f = h.ready_first; f != nullptr; f = next) {
    next = f->next;
    if (f->unlisted) fn(f);
  }
  if (h.block->current->unlisted) fn(h.block->current);
}

// Where a fiber stands when that is not its own stack but a greenlet's. Set by greenlet_tree.cpp; only asked for the sanitizers' sake.
struct standing {
  const void* bottom;
  std::size_t size;
  void* tsan;
};
extern bool (*greenlet_of)(const fiber_base* f, standing& place) noexcept;

// Whether the sanitizers' or valgrind's fiber interface is there.
bool annotations_wanted() noexcept;

}  // namespace weft::core
