// A hub's io_uring: submission, completion, cancellation. No liburing: three system calls and two rings in shared memory.
//
// The ring's descriptor is watched by the hub's poller like any other: it is readable while completions wait. One node stands for
// it in the descriptor table while calls are under way (`watching_`). Brief calls go to the
// kernel's workers at once; an accept that finds a connection completes during submission and parks nobody.
//
// Its memory is not inherited by children (a child that touched it would talk to the parent's ring): MADV_DONTFORK.
#pragma once

#include "io/offload_op.hpp"

struct io_uring_sqe;
struct io_uring_cqe;

namespace weft::io {

// Whether io_uring has an operation that does exactly what the call does; ring_calls.cpp.
bool can_ring(const offload_call& call) noexcept;
// The operation's number, and the call as its submission.
unsigned ring_operation(const offload_call& call) noexcept;
void fill_submission(const offload_call& call, io_uring_sqe& sqe) noexcept;

class offload_ring {
public:
  // In `storage`, for the hub's thread. Null when the kernel has none or refuses one; it is not asked again then.
  static offload_ring* open(hub& h, void* storage) noexcept;

  // False when the ring cannot take it: an operation of a newer kernel, too many under way.
  bool start(hub& h, offload_op& op) noexcept;
  void cancel(offload_op& op) noexcept;
  bool supports(const offload_call& call) const noexcept {
    const unsigned operation = ring_operation(call);
    return operation < operations && (supported_ >> operation & 1) != 0;
  }
  int descriptor() const noexcept { return fd_; }
  // To another number: the program is about to put a descriptor of its own at this one. 0 or -errno.
  int move(hub& h) noexcept;

  void close(hub& h) noexcept;
  // In a child of fork: the memory is not there, and the descriptor is the parent's.
  void drop_in_child(hub& h) noexcept;

private:
  struct node : core::fd_node {
    node() noexcept : core::fd_node(poller::in) {}
    offload_ring* ring = nullptr;
    hub* home = nullptr;
  };
  static constexpr unsigned entries = 128, operations = 64;

  bool submit(const io_uring_sqe& sqe) noexcept;
  void reap() noexcept;
  void watch(hub& h) noexcept;
  void unwatch(hub& h) noexcept;

  int fd_ = -1;
  unsigned under_way_ = 0;
  unsigned room_ = 0;             // completions that fit
  std::uint64_t supported_ = 0;   // one bit an operation
  bool watching_ = false;
  node node_;
  void* sq_memory_ = nullptr;
  void* cq_memory_ = nullptr;
  io_uring_sqe* sqes_ = nullptr;
  std::size_t sq_bytes_ = 0, cq_bytes_ = 0, sqe_bytes_ = 0;
  unsigned *sq_tail_ = nullptr, *cq_head_ = nullptr, *cq_tail_ = nullptr;
  unsigned sq_mask_ = 0, cq_mask_ = 0;
  io_uring_cqe* cqes_ = nullptr;
};

}  // namespace weft::io
