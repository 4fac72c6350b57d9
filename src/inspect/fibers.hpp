// What hubs and fibers of a process do, as plain values: read out of its memory by the table of offsets.
//
// Reads a process that stands still, or, for samples, one that runs: every list is bounded, every pointer may lead nowhere.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "inspect/layout.hpp"
#include "inspect/memory.hpp"
#include "inspect/process.hpp"

namespace weft::inspect {

// Greenlets, stackful generators and the stack of a fiber that stands on one of those are listed while they are suspended.
enum class fiber_kind { main, fiber, task, thread, greenlet, generator, own_stack };
enum class fiber_state { created, ready, running, parked, done, suspended };

// What a parked fiber waits for, as far as it can be told.
struct wait {
  std::string reason;             // as print_run_info says it
  address waiter = 0;
  std::uint64_t since = 0;        // CLOCK_MONOTONIC, nanoseconds, as of its hub's last look at the clock
  std::uint64_t deadline = 0;     // 0: none
  struct descriptor {
    int fd;
    std::uint32_t events;         // as poll(2) has them
  };
  std::vector<descriptor> descriptors;
  address futex = 0;              // 0: none
  address joins = 0;              // a fiber
  address lock = 0;               // a mutex or reader-writer lock of which somebody is known to hold it; 0: none
  std::uint32_t holder = 0;       // pthread's: thread id of who does
  address owner = 0;              // Weft's own: the fiber
  std::uint64_t readers = 0;      // shared_mutex: so many hold it for reading
};

struct awaiting {
  std::string function;
  std::uint32_t line;
};

struct fiber {
  address at = 0;
  std::size_t hub = 0;            // index in look::hubs
  fiber_kind kind = fiber_kind::fiber;
  fiber_state state = fiber_state::created;
  address tid_word = 0;           // of green threads: where pthread_join waits
  std::uint32_t tid = 0;          // of green threads, and of main where there are some
  std::string name;
  bool service = false;           // Weft's own
  bool listed = true;             // has parked at least once
  bool cancelled = false;
  std::uint32_t epoch = 0;
  std::uint64_t created = 0;      // as wait::since; 0: not known
  address owner = 0;              // of a greenlet: its fiber
  address context = 0;            // where it is suspended
  address leaf = 0;               // of a task: the suspension that it is in
  bool in_task = false, green = false;
  address extra = 0;
  range stack{};                  // 0, 0: not known
  address site = 0;               // where it was spawned
  struct wait wait;
  std::vector<awaiting> awaits;   // coroutines, from the one that is suspended outwards
};

struct hub {
  address at = 0;
  std::uint32_t thread = 0;       // kernel's id, as the process sees it
  pid_t os_thread = 0;            // as seen from here
  address current = 0;            // running fiber
  address idler = 0, driver = 0;
  bool sleeping = false;
  bool program_threads = false;
  std::uint64_t cached_now = 0;
  std::uint64_t virtual_now = 0;  // not 0: its clock is a test's
  std::uint64_t live = 0;
  std::uint64_t switches = 0, parks = 0, polls = 0, blocked_polls = 0, io_events = 0, timers_fired = 0, remote_wakes = 0, offloads = 0,
                created = 0;
};

// Where what stands, looked up once: a look reads tens of thousands of blocks while the process waits.
struct offsets {
  explicit offsets(const layout& l);

  std::uint32_t next_hub, hub_thread, hub_block, hub_main, hub_ready_first, hub_idler, hub_driver, hub_sleeping, hub_program_threads,
      hub_cached_now, hub_virtual_time, hub_virtual_now, hub_live, hub_pages, hub_page_count, switches, parks,
      polls, blocked_polls, io_events, timers_fired, remote_wakes, offloads, created, carrier_current;
  std::uint32_t fiber_size, next, context, parked, stk, thread_pointer, leaf, epoch, state, stack_log2, cancelled, flags, extra, site,
      all_next, completion, made, fiber_result, by_exception, extra_name, extra_greenlets;
  std::uint32_t is_unlisted, is_in_task, is_main, is_service, is_green;
  std::uint32_t waiter_size, waiter_fiber, reason, since, result, awaited, deadline, timer_position, link_next, pending;
  std::uint32_t page_entries, entry_size, entry_waiters, events, target;
  std::uint32_t buckets, bucket_size, bucket_first, node_after, node_target, node_address, node_kind;
  std::uint32_t thread_fiber, thread_tid, thread_clear_tid, thread_rare, rare_name, rare_named;
  std::uint32_t stack_base, suspended_size, resume_at, frame_pointer;
  std::uint32_t suspension_frame, promise_at, promise_parent, promise_function, promise_line;
  std::uint32_t mutex_home, mutex_owner, mutex_waiters, shared_home, shared_owner, shared_readers, shared_waiters;
  std::uint32_t tree_current, tree_live, greenlet_context, greenlet_parent, greenlet_is_root, greenlet_lent, greenlet_next, greenlet_stack,
      greenlet_stack_log2;
};

class reader {
public:
  reader(const process& p, memory& m, const layout& l) : process_(p), memory_(m), at_(l), roots_(l) {}

  std::vector<hub> hubs();
  // All fibers of a hub that are not done: main first.
  std::vector<fiber> fibers(const hub& h, std::size_t index);
  // Appends the suspended greenlets of each.
  void add_greenlets(std::vector<fiber>& all);
  // Reads the pages on which parked fibers wait, and up to `most` bytes of each stack, at once.
  void fetch_stacks(const std::vector<fiber>& all, std::size_t most);
  // Fills in names, what each waits for, and which coroutines await one another.
  void describe(std::vector<fiber>& all);
  // And on which descriptor, lock or fiber: that stands in lists elsewhere. After `describe`.
  void find_targets(const std::vector<hub>& hubs, std::vector<fiber>& all);

  const offsets& at() const { return at_; }

private:
  using by_waiter = std::unordered_map<address, fiber*>;

  fiber read_fiber(address where, std::size_t index);
  fiber read_greenlet(address where, const fiber& owner);
  range slot_of(address stk, std::uint8_t log2);
  range stack_of(const fiber& f, std::uint8_t flags, address stk, std::uint8_t log2);
  void read_names(fiber& f);
  void read_wait(fiber& f);
  void read_awaits(fiber& f);
  void find_descriptors(const hub& h, const by_waiter& waiters);
  void find_futexes(const by_waiter& waiters);
  void find_joins(const std::vector<fiber>& all, const by_waiter& waiters);
  // holders.cpp
  void find_own_locks(const std::vector<hub>& hubs, std::vector<fiber>& all, const by_waiter& waiters);
  void find_pthread_locks(std::vector<fiber>& all);
  std::uint32_t holder_of_mutex(address word, const std::unordered_set<std::uint32_t>& threads);
  address rwlock_around(address word, const std::unordered_set<std::uint32_t>& threads, std::uint32_t& writer);

  const process& process_;
  memory& memory_;
  offsets at_;
  const layout& roots_;
};

}  // namespace weft::inspect
