// Calls that know no readiness, made where they block no hub: by io_uring, or by a thread of Weft's own that makes the system call
// as it stands. The fiber parks meanwhile.
//
// The kernel owns the call's buffers until the call is over, so `offload` comes back only then: when its fiber is cancelled or the
// deadline passes, the call is interrupted (a thread by a signal, a ring by ASYNC_CANCEL) and awaited. A call that was over before
// that could happen gives its own result; what is due for the fiber then meets its next park.
//
// Threads run with all signals blocked: a signal that the kernel sends to the caller (SIGPIPE, SIGXFSZ) is sent again to the hub's
// thread here. They share the process's descriptors, directory, umask and semaphore undo list. Their credentials are those that
// their creator had, so new ones are made after a change (credentials_changed).
//
// Freestanding. The calling thread must have a hub, and the caller be a fiber of it.
#pragma once

#include <cstdint>

#include "io/ended.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

enum class offload_kind : std::uint8_t {
  // It ends by itself (disk, file systems): a bounded pool takes it, and it is not interrupted once it has begun, unless the
  // kernel lets it be. Where no thread can be made it is called here, blocking.
  brief,
  // It waits for somebody (a lock, a message, the other end of a FIFO, a child): a thread of its own takes it. It must come back
  // with EINTR, changing nothing, when a signal interrupts it. -EAGAIN where no thread can be made. A signal for the program
  // (signals.hpp) ends it as `signalled`.
  waits,
};

struct offload_call {
  long nr;
  long args[6];
  bool by_ring = true;  // false: only a thread's own system call will do (file positions, which io_uring does not lock)
  bool uncancellable = false;  // cancellation waits for the next park
};

template <class... Args>
offload_call call_of(long nr, Args... args) noexcept {
  static_assert(sizeof...(Args) <= 6);
  return {nr, {sys::detail::word(args)...}, true, false};
}

// Parks the running fiber until `call` is over. The call's result, >= 0 or -errno (never EINTR of its own), or an ended code.
// A time limit belongs into `deadline` (then the answer is `timed_out`), never into the call: an interrupted call is made again.
long offload(hub& h, const offload_call& call, nanos deadline, const char* reason, offload_kind kind) noexcept;

// Whether the hub's ring has an operation for the call: one that can be done at once is then done without parking.
bool ring_takes(hub& h, const offload_call& call) noexcept;

// The credentials of this process have changed: threads made before are not used any more.
void credentials_changed() noexcept;

// In the child of fork, before the poller is renewed and after what workers had sent was taken: drops the parent's ring; threads are
// gone. Calls that wait are made again by this process; brief ones end with EINTR.
void offload_after_fork(hub& h) noexcept;

// The descriptor of the hub's ring, -1 without one.
int ring_descriptor(const hub& h) noexcept;
// In a child of fork that does not have its parent's green threads: their calls go unheard, and lie on stacks that will be reused.
void forget_calls_of_threads(hub& h) noexcept;
// It goes to another number; the old one stays open. 0 or -errno.
int move_ring(hub& h) noexcept;

}  // namespace weft::io
