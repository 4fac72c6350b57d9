// The awaiter that drives the ops of src/io: try; when the op was refused a park, wait for what it wanted to wait for; try again.
//
// An op keeps nothing between two tries but what the descriptor's entry knows, and, for those that transfer all, the count so far. So
// trying again from the start is going on. Nothing runs between the refusal and the link into the entry's waiters: no edge is lost.
#include "weft/task/io.hpp"

#include <cerrno>
#include <new>
#include <system_error>

#include "core/hub.hpp"
#include "io/iov.hpp"
#include "io/ops.hpp"
#include "io/wait_fd.hpp"

namespace weft::detail {

using core::fd_node;
using core::refused_wait;
using io::caller;

static_assert(sizeof(fd_node) == 48 && alignof(fd_node) <= 8);

// Makes an attempt; false when it must wait.
bool io_operation::tried() noexcept {
  hub& h = current_hub();
  refused_wait& refused = h.tasks.refused;
  refused.what = refused_wait::none;
  answer_ = attempt_(*this);
  if (refused.what != refused_wait::none) [[unlikely]]
    return false;
  if (!io::is_ended(answer_)) [[likely]]
    return true;
  return io::why_ended(answer_) != wake::impossible;
}

// After a refusal. True: suspended. False: over.
bool io_operation::wait() {
  hub& h = *fiber->home;
  const refused_wait& refused = h.tasks.refused;
  result = wake::pending;
  step = again;
  switch (refused.what) {
    case refused_wait::descriptor:
      phase_ = phase::readiness;
      return wait_for_readiness();
    case refused_wait::pause:
      phase_ = phase::pause;
      return suspend_on(*this, refused.deadline) || !again(*this);
    case refused_wait::none: break;
  }
  // It needs more than readiness.
  phase_ = phase::by_fiber;
  worker_ = weft::spawn([this] { return attempt_(*this); });
  return begin(worker_);
}

bool io_operation::wait_for_readiness() noexcept {
  hub& h = *fiber->home;
  const refused_wait& refused = h.tasks.refused;
  auto* node = new (node_) fd_node(*this, refused.events);
  node->version = refused.version;
  refused.entry->waiters.push_back(*node);
  ++h.fd_waiters;
  return suspend_on(*this, refused.deadline) || !again(*this);
}

// On the task's turn after a wait. True: over. A worker's end comes by fiber_operation's step, which `begin` has set.
bool io_operation::again(suspension& s) noexcept {
  auto& me = static_cast<io_operation&>(s);
  hub& h = *me.fiber->home;
  if (me.phase_ == phase::readiness) {
    auto* node = std::launder(reinterpret_cast<fd_node*>(me.node_));
    if (node->linked()) {
      node->unlink();
      --h.fd_waiters;
    }
    if (me.result == wake::ready && node->closed) {
      me.answer_ = me.done_ > 0 ? static_cast<long>(me.done_) : -EBADF;
      return true;
    }
  }
  const bool go_on = me.result == wake::ready || (me.result == wake::timeout && me.phase_ == phase::pause);
  if (!go_on) {
    me.answer_ = me.done_ > 0 ? static_cast<long>(me.done_) : io::ended_by(me.result);
    return true;
  }
  if (me.tried()) return true;
  try {
    return !me.wait();
  } catch (...) {  // no memory for a fiber
    me.answer_ = me.done_ > 0 ? static_cast<long>(me.done_) : -ENOMEM;
    return true;
  }
}

// What it came to, in the core's words.
long io_operation::ended() const {
  if (phase_ != phase::by_fiber || !worker_) return answer_;
  // The worker ended early because it was asked to: what counts is what the task's wait ended with. What it has done is not lost.
  if (worker_.was_cancelled()) return io::ended_by(why());
  const long got = worker_.weft_take();
  return io::is_ended(got) && why() != wake::ready ? io::ended_by(why()) : got;
}

long io_operation::finish() {
  const long got = ended();
  if (got >= 0) [[likely]]
    return got;
  if (io::is_ended(got)) {
    throw_if_ended(current_hub(), io::why_ended(got), reason);
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
  if (io::is_ended(got)) throw_if_ended(current_hub(), io::why_ended(got), reason);
  throw std::system_error(static_cast<int>(-got), std::generic_category(), reason);
}

long read_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<read_operation&>(op);
  return io::read(current_hub(), caller::face, me.fd_, me.to_, me.size_);
}

long readv_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<readv_operation&>(op);
  return io::readv(current_hub(), caller::face, me.fd_, me.parts_, static_cast<unsigned long>(me.count_));
}

long recv_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<recv_operation&>(op);
  hub& h = current_hub();
  char* to = static_cast<char*>(me.to_) + me.done_;
  const std::size_t size = me.size_ - me.done_;
  const long got = me.from_ == nullptr ? io::recv(h, caller::face, me.fd_, to, size, me.flags_)
                                       : io::recvfrom(h, caller::face, me.fd_, to, size, me.flags_, me.from_, me.from_size_);
  // With MSG_WAITALL a part may have come; what follows the end or an error is for the next call to see. Peeking takes nothing.
  if ((me.flags_ & (MSG_WAITALL | MSG_PEEK)) != MSG_WAITALL) return got;
  if (got > 0) me.done_ += static_cast<std::size_t>(got);
  return me.done_ > 0 ? static_cast<long>(me.done_) : got;
}

long recvmsg_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<recvmsg_operation&>(op);
  // Going on in the middle of an array of buffers is the op's own business: in a fiber.
  if ((me.flags_ & MSG_WAITALL) != 0 && current_fiber()->in_task) return io::ended_by(wake::impossible);
  return io::recvmsg(current_hub(), caller::face, me.fd_, me.message_, me.flags_);
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

long write_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<write_operation&>(op);
  return send_on(me.done_, [&](std::size_t done) {
    return io::write(current_hub(), caller::face, me.fd_, static_cast<const char*>(me.from_) + done, me.size_ - done);
  });
}

long writev_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<writev_operation&>(op);
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
}

long send_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<send_operation&>(op);
  return send_on(me.done_, [&](std::size_t done) {
    const int quiet = done > 0 ? MSG_NOSIGNAL : 0;
    return io::sendto(current_hub(), caller::face, me.fd_, static_cast<const char*>(me.from_) + done, me.size_ - done,
                      me.flags_ | quiet, me.to_, me.to_size_);
  });
}

long sendmsg_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<sendmsg_operation&>(op);
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
}

long accept_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<accept_operation&>(op);
  return io::accept4(current_hub(), caller::face, me.fd_, me.address_, me.size_, me.flags_);
}

long connect_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<connect_operation&>(op);
  const long got = io::connect(current_hub(), caller::face, me.fd_, me.address_, me.size_);
  // It stands since the attempt before.
  if (got == -EISCONN && me.begun_) return 0;
  me.begun_ = true;
  return got;
}

long readiness_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<readiness_operation&>(op);
  return io::wait_ready(current_hub(), me.fd_, me.events_, me.deadline_, me.reason);
}

long poll_operation::attempt(io_operation& op) noexcept {
  auto& me = static_cast<poll_operation&>(op);
  const nanos limit = me.timeout_ms_ < 0 ? never : static_cast<nanos>(me.timeout_ms_) * 1'000'000;
  return io::poll(current_hub(), me.fds_, me.count_, limit);
}

}  // namespace weft::detail
