// sendmsg and sendmmsg.
#include <cerrno>

#include "io/iov.hpp"
#include "io/ops.hpp"
#include "io/send_all.hpp"
#include "io/user_memory.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// Goes on after a first try of `message` that gave `first`. The kernel has read the header and the array: both can be read.
long send_message_rest(hub& h, caller who, int fd, const msghdr* message, int flags, std::size_t total, long first) noexcept {
  park_rules rules(h, who, fd, side::send);
  return send_all(h, rules, fd, total, first, "sendmsg", [&](std::size_t done) {
    if (done == 0) return sys::raw(SYS_sendmsg, fd, message, flags | MSG_DONTWAIT);
    // Ancillary data went with the first part.
    iovec window[window_parts];
    msghdr part{};
    part.msg_name = message->msg_name;
    part.msg_namelen = message->msg_namelen;
    part.msg_iov = window;
    part.msg_iovlen = rest_of(message->msg_iov, message->msg_iovlen, done, window, window_parts);
    return sys::raw(SYS_sendmsg, fd, &part, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
  });
}

std::size_t bytes_of(const msghdr* message) noexcept { return total_bytes(message->msg_iov, message->msg_iovlen); }

}  // namespace

long sendmsg(hub& h, caller who, int fd, const msghdr* message, int flags) noexcept {
  const long sent = sys::raw(SYS_sendmsg, fd, message, flags | MSG_DONTWAIT);
  if ((sent < 0 && sent != -EAGAIN) || (flags & MSG_DONTWAIT) != 0) return sent;
  const std::size_t total = bytes_of(message);
  return sent == static_cast<long>(total) ? sent : send_message_rest(h, who, fd, message, flags, total, sent);
}

long sendmmsg(hub& h, caller who, int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
  if ((flags & MSG_DONTWAIT) != 0 || count == 0) return sys::raw(SYS_sendmmsg, fd, messages, count, flags);
  if (count > 1024) count = 1024;  // UIO_MAXIOV, as the kernel
  unsigned done = 0;
  while (done < count) {
    long sent = sys::raw(SYS_sendmmsg, fd, messages + done, count - done, flags | MSG_DONTWAIT);
    if (sent > 0) {
      // Only the last can have gone in part: the kernel stops there.
      mmsghdr& last = messages[done + static_cast<unsigned>(sent) - 1];
      const std::size_t total = bytes_of(&last.msg_hdr);
      if (last.msg_len < total)
        last.msg_len = static_cast<unsigned>(send_message_rest(h, who, fd, &last.msg_hdr, flags, total, last.msg_len));
      done += static_cast<unsigned>(sent);
      if (last.msg_len < total) break;
      continue;
    }
    if (sent == -EAGAIN) sent = sendmsg(h, who, fd, &messages[done].msg_hdr, flags);
    if (sent >= 0) {
      const long length = sent;
      if (copy_out(&messages[done].msg_len, &length, sizeof length)) {
        ++done;
        continue;
      }
      sent = -EFAULT;
    }
    return done > 0 ? static_cast<long>(done) : sent;
  }
  return static_cast<long>(done);
}

}  // namespace weft::io
