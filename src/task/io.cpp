// The awaiter that drives the ops of src/io: try; when the op was refused a park, wait for what it wanted to wait for; try again.
//
// An op keeps nothing between two tries but what the descriptor's entry knows, and, for those that transfer all, the count so far. So
// trying again from the start is going on. Nothing runs between the refusal and the link into the entry's waiters: no edge is lost.
#include "weft/task/io.hpp"

#include <cerrno>
#include <new>
#include <system_error>

#include "core/hub.hpp"
#include "core/suspend.hpp"
#include "io/iov.hpp"
#include "io/ops.hpp"
#include "io/plain_recv.hpp"
#include "io/wait_fd.hpp"
#include "sys/syscall.hpp"
#include "task/io_attempt.hpp"

namespace weft::detail {

using core::fd_node;
using core::refused_wait;
using io::caller;

namespace {

struct wait_front {
  io_operation& of;
  core::fd_entry* plain;  // where the wait is for what try_plain will receive
  fd_node node;
};

}  // namespace

// In the order in which it is touched, behind the call itself: the caches are told to fetch all of it (core/reports.cpp).
struct io_operation::by_itself : wait_front, task_wait<waiter> {
  by_itself(io_operation& op, void* coroutine, std::uint32_t events) noexcept
      : wait_front{op, nullptr, fd_node(events)}, task_wait(op.reason_, current_fiber()) {
    frame = coroutine;
    step = again;
    node.notify = io::wake_target;
    node.target = this;
  }
};

// The call needs more than readiness.
struct io_operation::worker : fiber_operation {
  worker(io_operation& op, void* coroutine) : fiber_operation(op.reason_) {
    frame = coroutine;
    fiber = current_fiber();
    handle = weft::spawn([&op] { op.attempt_(op); });
  }
  bool begin() noexcept { return fiber_operation::begin(handle); }
  using fiber_operation::why;

  weft::fiber<void> handle;
};

// After a refusal. True: suspended. False: over.
bool io_operation::wait(void* frame) {
  static_assert(sizeof(by_itself) <= room_size && sizeof(worker) <= room_size && alignof(by_itself) <= 8 && alignof(worker) <= 8);
  hub& h = current_hub();
  const refused_wait& refused = h.tasks.refused;
  switch (refused.what) {
    case refused_wait::descriptor: {
      auto* how = new (room()) by_itself(*this, frame, refused.events);
      how->node.version = refused.version;
      if (refused.plain) how->plain = refused.entry;
      refused.entry->waiters.push_back(how->node);
      ++h.fd_waiters;
      return wait_for(*how, phase::readiness, refused.deadline);
    }
    case refused_wait::pause: return wait_for(*new (room()) by_itself(*this, frame, 0), phase::pause, refused.deadline);
    case refused_wait::none: break;
  }
  auto* how = new (room()) worker(*this, frame);
  phase_ = phase::by_fiber;
  return how->begin();
}

bool io_operation::wait_for(by_itself& how, phase which, nanos deadline) noexcept {
  phase_ = which;
  return core::suspend_here(how, deadline) || !again(how);
}

void io_operation::forget_worker() noexcept { std::launder(static_cast<worker*>(room()))->~worker(); }

// On the task's turn after a wait. True: over. A worker's end comes by fiber_operation's step, which `begin` has set.
bool io_operation::again(suspension& s) noexcept {
  auto& how = static_cast<by_itself&>(s);
  io_operation& me = how.of;
  if (how.result == wake::ready) [[likely]] {
    if (how.node.closed) [[unlikely]] {
      me.answer_ = me.done_ > 0 ? static_cast<long>(me.done_) : -EBADF;
      return true;
    }
    if (how.plain != nullptr && (me.answer_ = io::try_plain(me.fd_, *how.plain, me.bytes_, me.size_)) != -EAGAIN) [[likely]]
      return true;
  } else {
    if (how.node.linked()) {
      how.node.unlink();
      --how.fiber->home->fd_waiters;
    }
    if (how.result != wake::timeout || me.phase_ != phase::pause) {
      me.answer_ = me.done_ > 0 ? static_cast<long>(me.done_) : io::ended_by(how.result);
      return true;
    }
  }
  if (me.attempt_(me)) return true;
  try {
    return !me.wait(how.frame);
  } catch (...) {  // no memory for a fiber
    me.answer_ = me.done_ > 0 ? static_cast<long>(me.done_) : -ENOMEM;
    return true;
  }
}

// What it came to, in the core's words.
long io_operation::ended() const {
  if (!by_fiber()) return answer_;
  // The fiber ended early because it was asked to: what counts is what the task's wait ended with. What it has done is not lost.
  const auto& by = *std::launder(static_cast<const worker*>(const_cast<io_operation*>(this)->room()));
  if (by.handle.was_cancelled()) return io::ended_by(by.why());
  return io::is_ended(answer_) && by.why() != wake::ready ? io::ended_by(by.why()) : answer_;
}

long io_operation::finish_badly() {
  const long got = ended();
  if (io::is_ended(got)) {
    throw_if_ended(current_hub(), io::why_ended(got), reason_);
    errno = EAGAIN;
    return -1;
  }
  errno = static_cast<int>(-got);
  return -1;
}

bool io_operation::finish_readiness() {
  const long got = ended();
  if (got >= 0) return got > 0;
  if (got == io::timed_out) return false;
  if (io::is_ended(got)) throw_if_ended(current_hub(), io::why_ended(got), reason_);
  throw std::system_error(static_cast<int>(-got), std::generic_category(), reason_);
}

bool read_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<read_operation&>(op);
  return me.settled([&] { return io::read(current_hub(), caller::face, me.fd_, me.bytes_, me.size_); });
}

bool readv_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<readv_operation&>(op);
  return me.settled([&] {
    return io::readv(current_hub(), caller::face, me.fd_, me.parts_, static_cast<unsigned long>(me.count_));
  });
}

// receive(to, size) for what is behind the bytes that came before.
template <class Call>
long recv_operation::once(Call receive) noexcept {
  const long got = receive(bytes_ + done_, size_ - done_);
  // With MSG_WAITALL a part may have come; what follows the end or an error is for the next call to see. Peeking takes nothing.
  if ((flags_ & (MSG_WAITALL | MSG_PEEK)) != MSG_WAITALL) [[likely]]
    return got;
  if (got > 0) done_ += static_cast<std::size_t>(got);
  return done_ > 0 ? static_cast<long>(done_) : got;
}

[[gnu::noinline]] bool recv_operation::attempt_with_care() noexcept {
  return settled([this] {
    return once([this](void* to, std::size_t size) { return io::recv(current_hub(), caller::face, fd_, to, size, flags_); });
  });
}

bool recv_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<recv_operation&>(op);
  hub* h = try_hub();
  // The path that decides how fast a server is: what io::recv does then, without the calls.
  if (me.flags_ == 0 && h != nullptr && !me.by_fiber()) [[likely]] {
    core::fd_entry* e = h->fds.find(me.fd_);
    if (e != nullptr && e->kind == core::fd_kind::tcp && (e->reg.watched & poller::in) != 0) [[likely]]
      return io::received_plain(*h, me.fd_, *e, me.bytes_, me.size_, me.answer_);
  }
  return me.attempt_with_care();
}

bool recvfrom_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<recvfrom_operation&>(op);
  return me.settled([&] {
    return me.once([&](void* to, std::size_t size) {
      return io::recvfrom(current_hub(), caller::face, me.fd_, to, size, me.flags_, me.from_, me.from_size_);
    });
  });
}

bool recvmsg_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<recvmsg_operation&>(op);
  return me.settled([&] {
    // Going on in the middle of an array of buffers is the op's own business: in a fiber.
    if ((me.flags_ & MSG_WAITALL) != 0 && current_fiber()->in_task) return io::ended_by(wake::impossible);
    return io::recvmsg(current_hub(), caller::face, me.fd_, me.message_, me.flags_);
  });
}

namespace {

// One attempt to send what lies behind `done` bytes. An error after a part is for the next call to see.
template <class Send>
long send_on(std::size_t& done, Send send) noexcept {
  const long sent = send(done);
  if (sent > 0) done += static_cast<std::size_t>(sent);
  return done > 0 ? static_cast<long>(done) : sent;
}

// The same for an array of buffers, a part of which has been sent.
template <class Send>
long send_rest(const iovec* parts, std::size_t count, std::size_t& done, Send send) noexcept {
  const refused_wait& refused = current_hub().tasks.refused;
  iovec window[io::window_parts];
  while (const std::size_t n = io::rest_of(parts, count, done, window, io::window_parts)) {
    const long sent = send(window, n);
    if (sent > 0) done += static_cast<std::size_t>(sent);
    if (sent <= 0 || refused.what != refused_wait::none) break;
  }
  return static_cast<long>(done);
}

}  // namespace

bool write_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<write_operation&>(op);
  return me.settled([&] {
    return send_on(me.done_, [&](std::size_t done) {
      return io::write(current_hub(), caller::face, me.fd_, me.bytes_ + done, me.size_ - done);
    });
  });
}

bool writev_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<writev_operation&>(op);
  return me.settled([&]() -> long {
    hub& h = current_hub();
    const auto count = static_cast<unsigned long>(me.count_);
    if (me.done_ == 0) {
      const long sent = io::writev(h, caller::face, me.fd_, me.parts_, count);
      if (sent > 0) me.done_ = static_cast<std::size_t>(sent);
      return sent;
    }
    return send_rest(me.parts_, count, me.done_, [&](iovec* window, std::size_t parts) {
      return io::writev(h, caller::face, me.fd_, window, parts);
    });
  });
}

long send_operation::once(const sockaddr* to, socklen_t to_size) noexcept {
  return send_on(done_, [&](std::size_t done) {
    const int quiet = done > 0 ? MSG_NOSIGNAL : 0;
    return io::sendto(current_hub(), caller::face, fd_, bytes_ + done, size_ - done, flags_ | quiet, to, to_size);
  });
}

// Behind what was sent before, or after a try that gave `first`.
[[gnu::noinline]] bool send_operation::attempt_with_care(long first) noexcept {
  return settled([&] {
    return done_ > 0 ? once(nullptr, 0) : send_on(done_, [&](std::size_t) {
      return io::send_after(current_hub(), caller::face, fd_, bytes_, size_, flags_, first);
    });
  });
}

bool send_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<send_operation&>(op);
  long sent = 0;
  if (me.done_ == 0) [[likely]] {
    sent = sys::raw(SYS_sendto, me.fd_, me.bytes_, me.size_, me.flags_ | MSG_DONTWAIT, nullptr, 0);
    // Nearly always all of it goes at once.
    if (sent == static_cast<long>(me.size_)) [[likely]] {
      me.answer_ = sent;
      return true;
    }
  }
  return me.attempt_with_care(sent);
}

bool sendto_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<sendto_operation&>(op);
  return me.settled([&] { return me.once(me.to_, me.to_size_); });
}

bool sendmsg_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<sendmsg_operation&>(op);
  return me.settled([&]() -> long {
    hub& h = current_hub();
    if (me.done_ == 0) {
      const long sent = io::sendmsg(h, caller::face, me.fd_, me.message_, me.flags_);
      if (sent > 0) me.done_ = static_cast<std::size_t>(sent);
      return sent;
    }
    return send_rest(me.message_->msg_iov, me.message_->msg_iovlen, me.done_, [&](iovec* window, std::size_t parts) {
      msghdr rest{};  // ancillary data went with the first part
      rest.msg_name = me.message_->msg_name;
      rest.msg_namelen = me.message_->msg_namelen;
      rest.msg_iov = window;
      rest.msg_iovlen = parts;
      return io::sendmsg(h, caller::face, me.fd_, &rest, me.flags_ | MSG_NOSIGNAL);
    });
  });
}

bool accept_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<accept_operation&>(op);
  return me.settled([&] { return io::accept4(current_hub(), caller::face, me.fd_, me.address_, me.address_size_, me.flags_); });
}

bool connect_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<connect_operation&>(op);
  return me.settled([&]() -> long {
    const long got = io::connect(current_hub(), caller::face, me.fd_, me.address_, me.address_size_);
    // It stands since the attempt before.
    if (got == -EISCONN && me.begun_) return 0;
    me.begun_ = true;
    return got;
  });
}

bool readiness_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<readiness_operation&>(op);
  return me.settled([&] { return io::wait_ready(current_hub(), me.fd_, me.events_, me.deadline_, me.reason_); });
}

bool poll_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<poll_operation&>(op);
  const nanos limit = me.timeout_ms_ < 0 ? never : static_cast<nanos>(me.timeout_ms_) * 1'000'000;
  return me.settled([&] { return io::poll(current_hub(), me.fds_, me.count_, limit); });
}

}  // namespace weft::detail
