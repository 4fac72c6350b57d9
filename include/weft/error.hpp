// Everything that Weft throws.
#pragma once

#include <stdexcept>
#include <string>

#include "weft/detail/runtime.hpp"

namespace weft {

// Unwinds a fiber whose cancel scope was cancelled (trio's Cancelled, gevent's GreenletExit). Not a std::exception, so that a
// `catch (std::exception&)` for failures does not swallow it. Swallowing it is not the end either: cancellation is sticky, the
// next call that can park throws it again, until the scope is left.
struct WEFT_API cancelled {};

// Base of Weft's errors.
class WEFT_API error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
  ~error() override;
};

// A deadline passed: `fail_after`, `join_for` of `get_for`, and other calls that say so.
class WEFT_API timeout_error : public error {
public:
  timeout_error() : error("timed out") {}
  using error::error;
  ~timeout_error() override;
};

// The fiber whose result was asked for was cancelled (asyncio raises CancelledError, which is also its own cancellation; here
// the two cannot be confused).
class WEFT_API fiber_cancelled : public error {
public:
  fiber_cancelled() : error("the fiber was cancelled") {}
  ~fiber_cancelled() override;
};

// Nothing is runnable, and nothing could ever wake the fiber that waits. what() lists the parked fibers with reasons and ages.
class WEFT_API deadlock : public error {
public:
  using error::error;
  ~deadlock() override;
};

// A call that would have to park was made where parking is impossible: in the body of a coroutine, on a signal stack, or inside the
// runtime.
class WEFT_API would_block_hub : public error {
public:
  explicit would_block_hub(const char* reason) : error(std::string("cannot park here: ") + reason) {}
  ~would_block_hub() override;
};

// An object was used on another OS thread than the one whose hub made it. Use hub::post to reach its hub.
class WEFT_API wrong_hub : public error {
public:
  explicit wrong_hub(const char* what_object)
      : error(std::string(what_object) + " belongs to the hub of another OS thread: have it used there, by hub::post") {}
  ~wrong_hub() override;
};

// No stack or control block could be had for another fiber; the report on stderr says what limit was hit.
class WEFT_API out_of_stacks : public error {
public:
  out_of_stacks() : error("no memory for another fiber (see RLIMIT_AS, vm.max_map_count, WEFT_STACK_SIZE)") {}
  ~out_of_stacks() override;
};

// fiber::get() was called again after the value had been moved out by the first call.
class WEFT_API result_taken : public error {
public:
  result_taken() : error("the fiber's result was taken by an earlier get()") {}
  ~result_taken() override;
};

// A fiber joined itself, which would wait for ever.
class WEFT_API self_join : public error {
public:
  self_join() : error("a fiber cannot join itself") {}
  ~self_join() override;
};

// An empty handle (default-constructed or moved from) was used.
class WEFT_API no_fiber : public error {
public:
  no_fiber() : error("the handle names no fiber") {}
  ~no_fiber() override;
};

// A queue was closed: nothing can be put, and nothing is left to get.
class WEFT_API queue_closed : public error {
public:
  queue_closed() : error("the queue is closed") {}
  ~queue_closed() override;
};

// A lock was released by a fiber that does not hold it, or a bounded semaphore released too often.
class WEFT_API not_owner : public error {
public:
  using error::error;
  ~not_owner() override;
};

// A child of task_group::start ended without having said started().
class WEFT_API not_started : public error {
public:
  not_started() : error("the child ended without having said started()") {}
  ~not_started() override;
};

// A hub was used after its OS thread had ended.
class WEFT_API hub_closed : public error {
public:
  hub_closed() : error("the hub's OS thread has ended") {}
  ~hub_closed() override;
};

}  // namespace weft
