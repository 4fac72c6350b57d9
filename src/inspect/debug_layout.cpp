// The numbers behind debug_layout.hpp, taken from the structs themselves. Data, no code; not every one of these headers is freestanding.
#include "inspect/debug_layout.hpp"

#include "core/fd_table.hpp"
#include "core/greenlet.hpp"
#include "core/hub.hpp"
#include "core/switch_x86_64.hpp"
#include "green/thread.hpp"
#include "io/futex_table.hpp"
#include "patch/unwind_table.hpp"
#include "weft/detail/turns.hpp"
#include "weft/mutex.hpp"
#include "weft/shared_mutex.hpp"

namespace weft::inspect {

// What members of classes are private to them.
struct layout_access {
  static constexpr std::size_t fd_pages = offsetof(core::fd_table, pages_);
  static constexpr std::size_t fd_page_count = offsetof(core::fd_table, page_count_);
  static constexpr std::size_t fds_of_a_page = core::fd_table::page_mask + 1;
  static constexpr std::size_t stacks_in_use = offsetof(core::stack_pool, in_use_);
  static constexpr std::size_t mutex_home = offsetof(mutex, home_), mutex_owner = offsetof(mutex, owner_),
                               mutex_waiters = offsetof(mutex, waiters_);
  static constexpr std::size_t shared_home = offsetof(shared_mutex, home_), shared_writer = offsetof(shared_mutex, writer_),
                               shared_readers = offsetof(shared_mutex, readers_), shared_waiters = offsetof(shared_mutex, waiters_);
};

namespace {

using core::counters;
using core::fd_entry;
using core::fd_node;
using core::suspended;
using detail::carrier;
using detail::fiber_base;
using detail::fiber_extra;
using detail::fiber_state;
using detail::hub;
using detail::stack;
using detail::suspension;
using detail::wait_node;
using detail::waiter;
using detail::wake;
using green::attributes;
using green::particulars;
using green::signal_state;
using green::thread;
using io::futex::bucket;
using io::futex::node;
using patch::published_table;

// The head of task_promise (weft/task/promise.hpp), which is no standard header's business to know: kept by a test.
constexpr std::uint32_t promise_at = 16, promise_parent = 0, promise_function = 8, promise_line = 16;

#define WEFT_MEMBER_AS(name, type, member) {name, offsetof(type, member), sizeof(type::member)}
#define WEFT_MEMBER(type, member) WEFT_MEMBER_AS(#type "." #member, type, member)
#define WEFT_FIBER(member) WEFT_MEMBER_AS("fiber." #member, fiber_base, member)
#define WEFT_COUNTER(member) \
  {"hub.stats." #member, offsetof(hub, stats) + offsetof(counters, member), sizeof(counters::member)}
#define WEFT_NUMBER(name, value) {name, static_cast<std::uint32_t>(value), 0}

constexpr layout_number numbers[] = {
    // -- hub: one per OS thread that uses Weft, linked by next_hub from the root "hubs"
    WEFT_NUMBER("hub:size", sizeof(hub)),
    WEFT_MEMBER(hub, next_hub),
    WEFT_MEMBER(hub, thread),         // kernel's id of its OS thread, as the process sees it
    WEFT_MEMBER(hub, block),          // its carrier
    WEFT_MEMBER(hub, fs),
    WEFT_MEMBER(hub, own_fs),
    WEFT_MEMBER(hub, main),           // a fiber, inside; head of the list of those that have parked (fiber.all_next)
    WEFT_MEMBER(hub, ready_first),    // by fiber.next; those with fiber.flags:unlisted are in no other list
    WEFT_MEMBER(hub, idler),
    WEFT_MEMBER(hub, live),
    WEFT_MEMBER(hub, cached_now),     // nanoseconds of CLOCK_MONOTONIC at the last poll
    WEFT_MEMBER(hub, last_poll),      // cycle counter then
    WEFT_MEMBER(hub, virtual_time),
    WEFT_MEMBER(hub, virtual_now),
    WEFT_MEMBER(hub, sleeping),       // in the kernel, with nothing to do
    WEFT_MEMBER(hub, program_threads),
    WEFT_MEMBER(hub, fd_waiters),
    WEFT_MEMBER(hub, futex_waiters),
    {"hub.tasks.driver", offsetof(hub, tasks) + offsetof(core::task_turns, driver), sizeof(void*)},
    {"hub.tasks.by_fiber", offsetof(hub, tasks) + offsetof(core::task_turns, by_fiber), sizeof(void*)},
    {"hub.fds.pages", offsetof(hub, fds) + layout_access::fd_pages, sizeof(void*)},
    {"hub.fds.page_count", offsetof(hub, fds) + layout_access::fd_page_count, sizeof(unsigned)},
    {"hub.stacks.in_use", offsetof(hub, stacks) + layout_access::stacks_in_use, sizeof(std::size_t)},
    // Switches are parks and other_switches together.
    WEFT_COUNTER(fibers_created),
    WEFT_COUNTER(other_switches),
    WEFT_COUNTER(parks),
    WEFT_COUNTER(polls),
    WEFT_COUNTER(blocked_polls),
    WEFT_COUNTER(io_events),
    WEFT_COUNTER(timers_fired),
    WEFT_COUNTER(remote_wakes),
    WEFT_COUNTER(offloads),

    // -- carrier: at the GS base of the OS thread
    WEFT_MEMBER(carrier, fs),
    WEFT_MEMBER(carrier, home),
    WEFT_MEMBER(carrier, current),    // the running fiber
    WEFT_MEMBER(carrier, in_weft),
    WEFT_MEMBER(carrier, signal_stack),
    WEFT_MEMBER(carrier, signal_stack_size),

    // -- fiber: of every kind
    WEFT_NUMBER("fiber:size", sizeof(fiber_base)),
    WEFT_FIBER(next),
    WEFT_FIBER(context),              // a suspended, when it stands still; null before its first turn
    WEFT_FIBER(home),
    WEFT_FIBER(parked),               // the waiter, null unless parked
    WEFT_FIBER(stk),                  // of fibers that are neither green, nor tasks, nor main
    WEFT_FIBER(thread_pointer),       // of green threads: FS base, at the top of their stack
    WEFT_FIBER(leaf),                 // of tasks: the suspension
    WEFT_FIBER(refs),
    WEFT_FIBER(epoch),                // grows by one with each wait that ends
    WEFT_FIBER(state),
    WEFT_FIBER(stack_log2),
    WEFT_FIBER(cancel_requested),
    WEFT_FIBER(call),
    WEFT_FIBER(extra),
    WEFT_FIBER(site),                 // return address of spawn
    WEFT_FIBER(created),              // hub.cached_now then; not any more once fiber.result is `exception`
    WEFT_FIBER(result),
    WEFT_NUMBER("fiber.result:exception", detail::outcome::exception),
    WEFT_FIBER(all_next),
    WEFT_FIBER(all_prev),
    WEFT_FIBER(completion),           // a list of wait_nodes: who joins it
    {"fiber.flags", offsetof(fiber_base, call) + 1, 1},
    WEFT_NUMBER("fiber.flags:unlisted", 1 << 0),
    WEFT_NUMBER("fiber.flags:in_task", 1 << 1),   // of a task always; of a fiber while it runs a coroutine as a part of itself
    WEFT_NUMBER("fiber.flags:is_main", 1 << 3),
    WEFT_NUMBER("fiber.flags:service", 1 << 5),   // Weft's own
    WEFT_NUMBER("fiber.flags:own_thread", 1 << 6),
    WEFT_NUMBER("fiber.flags:green", 1 << 7),     // a green thread; but for the leader, the fiber is its thread.own
    WEFT_NUMBER("fiber.call:in_call", detail::in_call),
    WEFT_NUMBER("fiber.state:created", fiber_state::created),
    WEFT_NUMBER("fiber.state:ready", fiber_state::ready),
    WEFT_NUMBER("fiber.state:running", fiber_state::running),
    WEFT_NUMBER("fiber.state:parked", fiber_state::parked),
    WEFT_NUMBER("fiber.state:done", fiber_state::done),
    WEFT_MEMBER_AS("extra.name", fiber_extra, name),
    WEFT_MEMBER_AS("extra.greenlets", fiber_extra, greenlets),

    // -- what fiber.context points at; the stack pointer, once resumed, is behind it
    WEFT_NUMBER("suspended:size", sizeof(suspended)),
    WEFT_MEMBER(suspended, resume_at),
    WEFT_MEMBER(suspended, frame_pointer),
    WEFT_MEMBER(stack, base),         // lowest address; three low bits are marks

    // -- a wait, on the waiting fiber's stack or in the coroutine's frame
    WEFT_NUMBER("waiter:size", sizeof(waiter)),
    WEFT_MEMBER(waiter, fiber),
    WEFT_MEMBER(waiter, reason),
    WEFT_MEMBER(waiter, since),       // hub.cached_now when it parked
    WEFT_MEMBER(waiter, result),
    WEFT_MEMBER(waiter, awaited),     // a coroutine's: a suspension stands right before it
    WEFT_NUMBER("waiter.result:pending", wake::pending),
    {"waiter.timer.deadline", offsetof(waiter, timer) + offsetof(detail::timer_node, deadline), 8},
    {"waiter.timer.position", offsetof(waiter, timer) + offsetof(detail::timer_node, position), 4},  // 0: no timer
    WEFT_MEMBER(wait_node, next),     // waiters and fd_nodes begin with one; lists are rings through their head
    WEFT_MEMBER(wait_node, prev),
    WEFT_MEMBER(wait_node, notify),

    // -- Weft's own locks, found by the list in which their waiters stand
    WEFT_NUMBER("mutex.home", layout_access::mutex_home),
    WEFT_NUMBER("mutex.owner", layout_access::mutex_owner),
    WEFT_NUMBER("mutex.waiters", layout_access::mutex_waiters),
    WEFT_NUMBER("shared_mutex.home", layout_access::shared_home),
    WEFT_NUMBER("shared_mutex.owner", layout_access::shared_writer),
    WEFT_NUMBER("shared_mutex.readers", layout_access::shared_readers),
    WEFT_NUMBER("shared_mutex.waiters", layout_access::shared_waiters),

    // -- descriptors: hub.fds.pages is an array of pages (null: not used) of entries
    WEFT_NUMBER("fd_table:page_entries", layout_access::fds_of_a_page),
    WEFT_NUMBER("fd_entry:size", sizeof(fd_entry)),
    WEFT_MEMBER(fd_entry, waiters),   // of fd_nodes
    WEFT_MEMBER(fd_node, events),     // as epoll has them
    WEFT_MEMBER(fd_node, target),     // the waiter

    // -- futexes: the root "futex_buckets"
    WEFT_NUMBER("futex_table:buckets", io::futex::bucket_count),
    WEFT_NUMBER("futex_bucket:size", sizeof(bucket)),
    WEFT_MEMBER_AS("futex_bucket.first", bucket, first),
    WEFT_MEMBER_AS("futex_node.after", node, after),
    WEFT_MEMBER_AS("futex_node.target", node, target),  // the waiter
    WEFT_MEMBER_AS("futex_node.bitset", node, bitset),
    {"futex_node.address", offsetof(node, at) + offsetof(io::futex::key, address), 8},
    {"futex_node.kind", offsetof(node, at) + offsetof(io::futex::key, what), 4},

    // -- green threads: in a table from the root "threads"; the root "leader" points at the one whose fiber is the process's first
    WEFT_NUMBER("thread:size", sizeof(thread)),
    WEFT_MEMBER(thread, own),
    WEFT_MEMBER(thread, fiber),
    WEFT_MEMBER(thread, tid),
    WEFT_MEMBER(thread, alive),
    WEFT_MEMBER(thread, clear_tid),   // the word on which pthread_join waits
    WEFT_MEMBER(thread, exited),
    WEFT_MEMBER(thread, rare),    // a thread_rare, null for most threads
    WEFT_MEMBER(thread, cpu_ns),  // used so far, in nanoseconds: what ticks of preemption tell, or clocks
    {"thread_rare.name", offsetof(particulars, is) + offsetof(attributes, name), sizeof(attributes::name)},
    {"thread_rare.named", offsetof(particulars, is) + offsetof(attributes, named), 1},
    {"thread.signals.mask", offsetof(thread, signals) + offsetof(signal_state, mask), 8},
    {"thread.signals.pending", offsetof(thread, signals) + offsetof(signal_state, pending), 8},
    WEFT_NUMBER("thread:first_tid", green::first_tid),

    // -- greenlets: extra.greenlets is the tree of a fiber that has some
    {"greenlet_tree.current", core::greenlet_tree_current_at, 8},
    {"greenlet_tree.live", core::greenlet_tree_live_at, 8},  // by greenlet.next
    {"greenlet.context", core::greenlet_context_at, 8},      // as a fiber's
    {"greenlet.parent", core::greenlet_parent_at, 8},
    {"greenlet.is_root", core::greenlet_is_root_at, 1},      // the fiber's own stack
    {"greenlet.lent", core::greenlet_lent_at, 1},            // a generator: runs as a part of whoever asks it
    {"greenlet.stack_log2", core::greenlet_stack_log2_at, 1},
    {"greenlet.stk", core::greenlet_stk_at, 8},              // a stack
    {"greenlet.next", core::greenlet_next_at, 8},

    // -- coroutines
    WEFT_NUMBER("suspension:size", sizeof(suspension)),
    WEFT_MEMBER(suspension, frame),
    WEFT_NUMBER("promise:at", promise_at),  // in the frame, behind the addresses of how to resume and to destroy it
    {"promise.parent", promise_parent, 8},
    {"promise.function", promise_function, 8},
    {"promise.line", promise_line, 4},

    // -- .eh_frame sections of trampolines, linked from the root "unwind_tables" (src/patch/unwind_table.cpp)
    WEFT_MEMBER_AS("unwind_table.next", published_table, next),
    WEFT_MEMBER_AS("unwind_table.bytes", published_table, bytes),
    WEFT_NUMBER("unwind_table:section", sizeof(published_table)),
};

inline constexpr std::size_t number_count = sizeof numbers / sizeof *numbers;
inline constexpr std::size_t root_count = 8;

struct whole_layout {
  layout_header header;
  layout_number number[number_count];
  layout_root root[root_count];
};

constexpr whole_layout make() noexcept {
  whole_layout l{};
  for (int i = 0; i < 8; ++i) l.header.magic[i] = layout_magic[i];
  l.header.version = layout_version;
  l.header.header_size = sizeof(layout_header);
  l.header.numbers_at = offsetof(whole_layout, number);
  l.header.number_size = sizeof(layout_number);
  l.header.number_count = number_count;
  l.header.roots_at = offsetof(whole_layout, root);
  l.header.root_size = sizeof(layout_root);
  l.header.root_count = root_count;
  for (std::size_t i = 0; i < number_count; ++i) l.number[i] = numbers[i];
  const layout_root roots[root_count] = {
      {"hubs", &core::all_hubs},
      {"futex_buckets", &io::futex::buckets},
      {"threads", &green::table},
      {"threads_used", &green::table_used},
      {"leader", &green::leads},
      {"green_hub", &green::home},
      {"preemptions", &green::stats.preemptions},
      {"unwind_tables", &patch::first_unwind_table},
  };
  for (std::size_t i = 0; i < root_count; ++i) l.root[i] = roots[i];
  return l;
}

}  // namespace
}  // namespace weft::inspect

extern "C" {
extern WEFT_API const weft::inspect::whole_layout weft_debug_layout;
constinit const weft::inspect::whole_layout weft_debug_layout = weft::inspect::make();
}
