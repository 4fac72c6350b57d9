// write and writev on whatever can be waited for. On a stream, a pipe or a terminal they come back with everything written.
#include <cerrno>
#include <fcntl.h>
#include <sys/uio.h>

#include "io/fd_facts.hpp"
#include "io/file_transfer.hpp"
#include "io/iov.hpp"
#include "io/ops.hpp"
#include "io/plain_tcp.hpp"
#include "io/send_all.hpp"
#include "io/shared_end.hpp"
#include "io/user_memory.hpp"
#include "sys/features.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// What a writable pipe (one free page) and a terminal surely take without waiting, where RWF_NOWAIT is not known.
constexpr std::size_t pipe_room = 4096, terminal_room = 256;
constexpr unsigned long most_parts = 1024;  // UIO_MAXIOV

class parts_writer {
public:
  parts_writer(hub& h, int fd, const iovec* parts, unsigned long count) noexcept
      : h_(h), fd_(fd), parts_(parts), count_(count) {}

  // Writes what lies behind `done` bytes, or some of it, without waiting.
  long operator()(std::size_t done) noexcept {
    iovec window[window_parts];
    const iovec* at = parts_;
    unsigned long count = count_;
    if (done > 0) {
      at = window;
      count = rest_of(parts_, count_, done, window, window_parts);
    }
    if (done > 0 && is(facts::kind::socket)) return send_parts(at, count, MSG_NOSIGNAL);
    if (nowait_) {
      const long sent = sys::raw(SYS_pwritev2, fd_, at, count, -1L, -1L, RWF_NOWAIT);
      if (sent == -EAGAIN && is(facts::kind::always_ready)) return sys::raw(SYS_writev, fd_, at, count);
      if (sent != -EOPNOTSUPP) return sent;
      nowait_ = false;
    }
    if (is(facts::kind::socket)) return send_parts(at, count, 0);
    if (!opened_for(fd_, O_WRONLY)) return -EBADF;  // of which poll(2) knows nothing
    const long ready = ready_now(fd_, POLLOUT);
    if (ready <= 0) return ready == 0 ? -EAGAIN : ready;
    if (shared_and_blocking(fd_, kind()))
      return offload(h_, call_of(SYS_writev, fd_, at, count), never, "write", offload_kind::waits);
    const std::size_t room = is(facts::kind::pipe) ? pipe_room : is(facts::kind::terminal) ? terminal_room : 0;
    if (room == 0) return sys::raw(SYS_writev, fd_, at, count);
    if (at == parts_ && !readable(parts_, count_ * sizeof(iovec))) return -EFAULT;
    if (at == parts_) count = rest_of(parts_, count_, 0, window, window_parts);
    std::size_t used = 0, left = room;
    for (; used < count && left > 0; ++used) {
      if (window[used].iov_len > left) window[used].iov_len = left;
      left -= window[used].iov_len;
    }
    return sys::raw(SYS_writev, fd_, window, used);
  }

  // Whether a part written means that the rest is to follow. What another kind of file does not take, it does not want.
  bool all_or_error() noexcept { return is(facts::kind::socket) || is(facts::kind::pipe) || is(facts::kind::terminal); }

private:
  long send_parts(const iovec* parts, unsigned long count, int flags) noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    return sys::raw(SYS_sendmsg, fd_, &message, MSG_DONTWAIT | flags);
  }
  long kind() noexcept {
    if (kind_ < 0) kind_ = facts::ask_kind(fd_);
    return kind_;
  }
  bool is(facts::kind k) noexcept { return kind() == static_cast<long>(k); }

  hub& h_;
  int fd_;
  const iovec* parts_;
  unsigned long count_;
  long kind_ = -1;
  bool nowait_ = sys::have(sys::feature::nowait);
};

long write_parts(hub& h, caller who, int fd, const iovec* parts, unsigned long count) noexcept {
  if (count > most_parts) return sys::raw(SYS_writev, fd, parts, count);  // EINVAL
  core::fd_entry* e = h.fds.get(fd);
  if (e != nullptr && kind_of(fd, *e) == core::fd_kind::file)
    if (const long got = transfer(h, who, {true, fd, parts, count, -1, 0}); got != not_on_disk) return got;
  parts_writer writer(h, fd, parts, count);
  const long sent = writer(0);
  if (sent < 0 && sent != -EAGAIN) return sent;
  if (!readable(parts, count * sizeof(iovec))) return sent < 0 ? -EFAULT : sent;
  const std::size_t total = total_bytes(parts, count);
  if (sent >= 0 && (static_cast<std::size_t>(sent) >= total || !writer.all_or_error())) return sent;
  park_rules rules(h, who, fd, side::send);
  return send_all(h, rules, fd, total, sent, "write", [&](std::size_t done) { return writer(done); });
}

}  // namespace

long write(hub& h, caller who, int fd, const void* from, std::size_t n) noexcept {
  if (n == 0) return sys::raw(SYS_write, fd, from, n);
  core::fd_entry* e = h.fds.get(fd);
  if (e != nullptr && plain_tcp(fd, *e)) {
    const long sent = send(h, who, fd, from, n, 0);
    if (sent != -ENOTSOCK) return sent;
    e->kind = core::fd_kind::unknown;
  }
  const iovec one{const_cast<void*>(from), n};
  return write_parts(h, who, fd, &one, 1);
}

long writev(hub& h, caller who, int fd, const iovec* parts, unsigned long count) noexcept {
  return write_parts(h, who, fd, parts, count);
}

}  // namespace weft::io
