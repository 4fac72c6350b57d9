// Where what stands: every name of the table that a look needs. A process whose Weft lacks one of them is told so at once.
#include "inspect/fibers.hpp"

namespace weft::inspect {

offsets::offsets(const layout& l) {
  const struct {
    std::uint32_t* where;
    const char* name;
  } wanted[] = {
      {&next_hub, "hub.next_hub"}, {&hub_thread, "hub.thread"}, {&hub_block, "hub.block"}, {&hub_main, "hub.main"},
      {&hub_ready_first, "hub.ready_first"}, {&hub_idler, "hub.idler"}, {&hub_driver, "hub.tasks.driver"},
      {&hub_sleeping, "hub.sleeping"}, {&hub_program_threads, "hub.program_threads"}, {&hub_cached_now, "hub.cached_now"},
      {&hub_virtual_time, "hub.virtual_time"}, {&hub_virtual_now, "hub.virtual_now"},
      {&hub_live, "hub.live"}, {&hub_pages, "hub.fds.pages"}, {&hub_page_count, "hub.fds.page_count"},
      {&switches, "hub.stats.other_switches"}, {&parks, "hub.stats.parks"}, {&polls, "hub.stats.polls"},
      {&blocked_polls, "hub.stats.blocked_polls"}, {&io_events, "hub.stats.io_events"},
      {&timers_fired, "hub.stats.timers_fired"}, {&remote_wakes, "hub.stats.remote_wakes"},
      {&offloads, "hub.stats.offloads"}, {&created, "hub.stats.fibers_created"}, {&carrier_current, "carrier.current"},
      {&fiber_size, "fiber:size"}, {&next, "fiber.next"}, {&context, "fiber.context"}, {&parked, "fiber.parked"},
      {&stk, "fiber.stk"}, {&thread_pointer, "fiber.thread_pointer"}, {&leaf, "fiber.leaf"}, {&epoch, "fiber.epoch"},
      {&state, "fiber.state"}, {&stack_log2, "fiber.stack_log2"}, {&cancelled, "fiber.cancel_requested"},
      {&flags, "fiber.flags"}, {&extra, "fiber.extra"}, {&site, "fiber.site"}, {&all_next, "fiber.all_next"},
      {&completion, "fiber.completion"}, {&made, "fiber.created"}, {&fiber_result, "fiber.result"},
      {&by_exception, "fiber.result:exception"}, {&extra_name, "extra.name"}, {&extra_greenlets, "extra.greenlets"},
      {&is_unlisted, "fiber.flags:unlisted"}, {&is_in_task, "fiber.flags:in_task"}, {&is_main, "fiber.flags:is_main"},
      {&is_service, "fiber.flags:service"},
      {&is_green, "fiber.flags:green"}, {&waiter_size, "waiter:size"}, {&waiter_fiber, "waiter.fiber"},
      {&reason, "waiter.reason"}, {&since, "waiter.since"}, {&result, "waiter.result"}, {&awaited, "waiter.awaited"},
      {&deadline, "waiter.timer.deadline"}, {&timer_position, "waiter.timer.position"}, {&link_next, "wait_node.next"},
      {&pending, "waiter.result:pending"}, {&page_entries, "fd_table:page_entries"}, {&entry_size, "fd_entry:size"},
      {&entry_waiters, "fd_entry.waiters"}, {&events, "fd_node.events"}, {&target, "fd_node.target"},
      {&buckets, "futex_table:buckets"}, {&bucket_size, "futex_bucket:size"}, {&bucket_first, "futex_bucket.first"},
      {&node_after, "futex_node.after"}, {&node_target, "futex_node.target"}, {&node_address, "futex_node.address"},
      {&node_kind, "futex_node.kind"}, {&thread_fiber, "thread.fiber"}, {&thread_tid, "thread.tid"},
      {&thread_clear_tid, "thread.clear_tid"},
      {&thread_rare, "thread.rare"}, {&rare_name, "thread_rare.name"}, {&rare_named, "thread_rare.named"}, {&stack_base, "stack.base"},
      {&suspended_size, "suspended:size"}, {&resume_at, "suspended.resume_at"}, {&frame_pointer, "suspended.frame_pointer"},
      {&suspension_frame, "suspension.frame"}, {&promise_at, "promise:at"}, {&promise_parent, "promise.parent"},
      {&promise_function, "promise.function"}, {&promise_line, "promise.line"},
      {&mutex_home, "mutex.home"}, {&mutex_owner, "mutex.owner"}, {&mutex_waiters, "mutex.waiters"},
      {&shared_home, "shared_mutex.home"}, {&shared_owner, "shared_mutex.owner"}, {&shared_readers, "shared_mutex.readers"},
      {&shared_waiters, "shared_mutex.waiters"}, {&tree_current, "greenlet_tree.current"}, {&tree_live, "greenlet_tree.live"},
      {&greenlet_context, "greenlet.context"}, {&greenlet_parent, "greenlet.parent"}, {&greenlet_is_root, "greenlet.is_root"},
      {&greenlet_lent, "greenlet.lent"}, {&greenlet_next, "greenlet.next"}, {&greenlet_stack, "greenlet.stk"},
      {&greenlet_stack_log2, "greenlet.stack_log2"},
  };
  for (const auto& w : wanted) *w.where = l[w.name];
}

}  // namespace weft::inspect
