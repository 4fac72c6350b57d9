#include "io/offload_ring.hpp"

#include <cerrno>
#include <linux/io_uring.h>
#include <new>
#include <sys/mman.h>

#include "io/offload_threads.hpp"
#include "sys/features.hpp"
#include "sys/mem.hpp"

namespace weft::io {
namespace {

constexpr unsigned register_workers = 19;       // IORING_REGISTER_IOWQ_MAX_WORKERS
constexpr std::uint32_t coop_taskrun = 1u << 8;  // no interrupt of running code for a completion (Linux >= 5.19)

long set_up(unsigned count, io_uring_params& p) noexcept {
  constexpr std::uint32_t wanted[] = {coop_taskrun, 0};
  for (const std::uint32_t flags : wanted) {
    p = {};
    p.flags = flags | IORING_SETUP_CLAMP;
    const long fd = sys::raw(SYS_io_uring_setup, count, &p);
    if (fd != -EINVAL) return fd;
  }
  return -EINVAL;
}

template <class T>
T* at(void* base, unsigned offset) noexcept {
  return reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}

void* map_shared(int fd, std::size_t bytes, std::uint64_t what) noexcept {
  const long p = sys::raw(SYS_mmap, 0L, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);
  if (p < 0 && p > -4096) return nullptr;
  sys::raw(SYS_madvise, p, bytes, MADV_DONTFORK);
  return reinterpret_cast<void*>(p);
}

std::uint64_t probe(int fd) noexcept {
  constexpr unsigned most = 64;
  alignas(io_uring_probe) unsigned char space[sizeof(io_uring_probe) + most * sizeof(io_uring_probe_op)];
  sys::fill(space, 0, sizeof space);
  auto* found = reinterpret_cast<io_uring_probe*>(space);
  std::uint64_t bits = 0;
  if (sys::raw(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, found, most) < 0) return 0;
  const auto* ops = reinterpret_cast<const io_uring_probe_op*>(space + sizeof(io_uring_probe));
  for (unsigned i = 0; i < found->ops_len && i < most; ++i)
    if (ops[i].flags & IO_URING_OP_SUPPORTED) bits |= std::uint64_t{1} << ops[i].op;
  return bits;
}

}  // namespace

offload_ring* offload_ring::open(hub& h, void* storage) noexcept {
  if (!sys::have(sys::feature::uring)) return nullptr;
  io_uring_params p;
  const long fd = set_up(entries, p);
  if (fd < 0) {
    if (fd == -ENOSYS || fd == -EPERM || fd == -EINVAL) sys::mark_missing(sys::feature::uring);
    return nullptr;
  }
  auto* r = new (storage) offload_ring;
  r->fd_ = poller::move_up(static_cast<int>(fd));
  r->room_ = p.cq_entries;
  r->supported_ = probe(r->fd_);
  r->sq_bytes_ = p.sq_off.array + p.sq_entries * sizeof(unsigned);
  r->cq_bytes_ = p.cq_off.cqes + p.cq_entries * sizeof(io_uring_cqe);
  r->sqe_bytes_ = p.sq_entries * sizeof(io_uring_sqe);
  r->sq_memory_ = map_shared(r->fd_, r->sq_bytes_, IORING_OFF_SQ_RING);
  r->cq_memory_ = map_shared(r->fd_, r->cq_bytes_, IORING_OFF_CQ_RING);
  r->sqes_ = static_cast<io_uring_sqe*>(map_shared(r->fd_, r->sqe_bytes_, IORING_OFF_SQES));
  // Of the kernel's workers for calls on files; it allows four a CPU by itself (Linux >= 5.15).
  std::uint32_t workers[2] = {most_brief(), 0};
  sys::raw(SYS_io_uring_register, r->fd_, register_workers, &workers[0], 2);
  core::fd_entry* entry = h.fds.get(r->fd_);
  // The poller learns of the ring now: later, with calls under way, it could not refuse.
  if (r->sq_memory_ == nullptr || r->cq_memory_ == nullptr || r->sqes_ == nullptr || entry == nullptr || r->supported_ == 0 ||
      h.poll->watch(r->fd_, poller::in, entry->reg) != 0) {
    r->close(h);
    return nullptr;
  }
  r->sq_tail_ = at<unsigned>(r->sq_memory_, p.sq_off.tail);
  r->sq_mask_ = *at<unsigned>(r->sq_memory_, p.sq_off.ring_mask);
  r->cq_head_ = at<unsigned>(r->cq_memory_, p.cq_off.head);
  r->cq_tail_ = at<unsigned>(r->cq_memory_, p.cq_off.tail);
  r->cq_mask_ = *at<unsigned>(r->cq_memory_, p.cq_off.ring_mask);
  r->cqes_ = at<io_uring_cqe>(r->cq_memory_, p.cq_off.cqes);
  auto* slots = at<unsigned>(r->sq_memory_, p.sq_off.array);
  for (unsigned i = 0; i < p.sq_entries; ++i) slots[i] = i;
  r->node_.ring = r;
  r->node_.home = &h;
  // The hub's thread, from its poller: fd_report has just unlinked the node.
  r->node_.notify = [](detail::wait_node* n) noexcept {
    auto* self = static_cast<node*>(n);
    self->ring->watching_ = false;
    self->ring->reap();
    if (self->ring->under_way_ != 0) self->ring->watch(*self->home);
  };
  return r;
}

bool offload_ring::submit(const io_uring_sqe& sqe) noexcept {
  const unsigned tail = *sq_tail_;
  sqes_[tail & sq_mask_] = sqe;
  __atomic_store_n(sq_tail_, tail + 1, __ATOMIC_RELEASE);
  long n;
  do n = sys::raw(SYS_io_uring_enter, fd_, 1, 0, 0, nullptr, 0);
  while (n == -EINTR);
  if (n == 1) return true;
  // Not taken: the kernel reads the queue only during the call.
  __atomic_store_n(sq_tail_, tail, __ATOMIC_RELEASE);
  return false;
}

bool offload_ring::start(hub& h, offload_op& op) noexcept {
  // A quarter of the completions is left to cancellations.
  if (!supports(op.call) || under_way_ >= room_ - room_ / 4) return false;
  io_uring_sqe sqe;
  sys::fill(&sqe, 0, sizeof sqe);
  fill_submission(op.call, sqe);
  sqe.user_data = reinterpret_cast<std::uint64_t>(&op);
  // Tried inline, a read would start its read-ahead and an open its journal entry on the hub's own time: up to 70 ms were seen.
  if (op.kind == offload_kind::brief) sqe.flags |= IOSQE_ASYNC;
  if (!submit(sqe)) return false;
  op.in_ring = true;
  ++under_way_;
  reap();
  if (under_way_ != 0 && !watching_) watch(h);
  return true;
}

void offload_ring::cancel(offload_op& op) noexcept {
  io_uring_sqe sqe;
  sys::fill(&sqe, 0, sizeof sqe);
  sqe.opcode = IORING_OP_ASYNC_CANCEL;
  sqe.fd = -1;
  sqe.addr = reinterpret_cast<std::uint64_t>(&op);
  submit(sqe);
  reap();
}

void offload_ring::reap() noexcept {
  unsigned head = *cq_head_;
  while (head != __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE)) {
    const io_uring_cqe done = cqes_[head & cq_mask_];
    __atomic_store_n(cq_head_, ++head, __ATOMIC_RELEASE);
    if (done.user_data == 0) continue;  // a cancellation's own
    --under_way_;
    auto& op = *reinterpret_cast<offload_op*>(done.user_data);
    // The kernel could not go on with it by itself: a thread makes the call.
    op.again = !op.asked && (done.res == -EINTR || done.res == -ECANCELED);
    op_over(op, done.res);
  }
}

void offload_ring::watch(hub& h) noexcept {
  core::fd_entry& e = *h.fds.find(fd_);
  h.poll->watch(fd_, poller::in, e.reg);  // select forgets at each report; for epoll there is nothing to do
  e.waiters.push_back(node_);
  ++h.fd_waiters;
  watching_ = true;
}

void offload_ring::unwatch(hub& h) noexcept {
  if (!watching_) return;
  node_.unlink();
  --h.fd_waiters;
  watching_ = false;
}

int offload_ring::move(hub& h) noexcept {
  const int elsewhere = poller::number_elsewhere(fd_);
  if (elsewhere < 0) return elsewhere;
  core::fd_entry* entry = h.fds.get(elsewhere);
  const int error = entry == nullptr ? -ENOMEM : h.poll->watch(elsewhere, poller::in, entry->reg);
  if (error != 0) {
    poller::close_own(elsewhere);
    return error;
  }
  const bool watched = watching_;
  unwatch(h);
  core::fd_forget(h, fd_);
  fd_ = elsewhere;
  if (watched) watch(h);
  return 0;
}

void offload_ring::close(hub& h) noexcept {
  unwatch(h);
  core::fd_forget(h, fd_);
  if (sqes_ != nullptr) sys::unmap(sqes_, sqe_bytes_);
  if (cq_memory_ != nullptr) sys::unmap(cq_memory_, cq_bytes_);
  if (sq_memory_ != nullptr) sys::unmap(sq_memory_, sq_bytes_);
  poller::close_own(fd_);
  fd_ = -1;
}

void offload_ring::drop_in_child(hub& h) noexcept {
  unwatch(h);
  poller::close_own(fd_);
  fd_ = -1;
}

}  // namespace weft::io
