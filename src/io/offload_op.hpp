// One call under way, on its fiber's stack, and what a hub remembers of all its calls.
//
// A call passes through these hands: the fiber starts it; a worker or the ring makes it; the hub's thread hears of the end
// (`op_over`) and unparks the fiber. Only the hub's thread touches `parked`, `over` and the list.
#pragma once

#include "core/hub.hpp"
#include "io/offload.hpp"

namespace weft::io {

class offload_ring;
struct offload_state;
struct worker;

struct offload_op : core::remote_node {
  offload_op(hub& at, offload_state& s, const offload_call& c, offload_kind k) noexcept : home(&at), state(&s), call(c), kind(k) {}

  hub* home;
  offload_state* state;
  const detail::fiber_base* maker = detail::current_fiber();  // on whose stack it lies
  offload_call call;
  offload_kind kind;
  bool over = false;          // the kernel has let go of it
  bool again = false;         // over without having been made: start it anew
  bool asked = false;         // to end early
  bool in_ring = false;
  long result = 0;
  detail::waiter* parked = nullptr;
  detail::list_link link;     // in offload_state::calls
  // Under the pool's lock:
  offload_op* next_queued = nullptr;
  bool queued = false;
  std::uint32_t generation = 0;  // of the process's credentials when it was started
  worker* taken_by = nullptr;
};

// Of one hub, made at its first offloaded call.
struct offload_state {
  offload_state() noexcept { calls.next = calls.prev = &calls; }
  detail::list_link calls;                  // under way
  offload_ring* ring = nullptr;
  bool ring_tried = false;
  sys::atomic<std::uint32_t> posting;       // workers that are telling this hub of an end
};

// On the hub's thread: the call is over.
void op_over(offload_op& op, long result) noexcept;

// While Weft's own lists are half changed, a signal handler's calls must pass through.
class inside_weft {
public:
  explicit inside_weft(hub& h) noexcept : block_(h.block) { ++block_->in_weft; }
  ~inside_weft() { --block_->in_weft; }
  inside_weft(const inside_weft&) = delete;
  inside_weft& operator=(const inside_weft&) = delete;

private:
  detail::carrier* block_;
};

}  // namespace weft::io
