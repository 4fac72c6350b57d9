// sendmsg and sendmmsg.
#include <cerrno>

#include "io/iov.hpp"
#include "io/ops.hpp"
#include "io/send_all.hpp"
#include "io/until_ready.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

long sendmsg(hub& h, caller who, int fd, const msghdr* message, int flags) noexcept {
  const long sent = sys::raw(SYS_sendmsg, fd, message, flags | MSG_DONTWAIT);
  if ((sent < 0 && sent != -EAGAIN) || (flags & MSG_DONTWAIT) != 0) return sent;
  // The kernel copied the header and the array before it said so: both can be read.
  const std::size_t total = total_bytes(message->msg_iov, message->msg_iovlen);
  if (sent == static_cast<long>(total)) return sent;
  park_rules rules(h, who, fd, side::send);
  return send_all(h, rules, fd, total, sent, "sendmsg", [&](std::size_t done) {
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

long sendmmsg(hub& h, caller who, int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
  if ((flags & MSG_DONTWAIT) != 0 || count == 0) return sys::raw(SYS_sendmmsg, fd, messages, count, flags);
  if (count > 1024) count = 1024;  // UIO_MAXIOV, as the kernel
  unsigned done = 0;
  while (done < count) {
    // One message at a time, so that a stream's partial one is finished before the next begins.
    const long sent = sendmsg(h, who, fd, &messages[done].msg_hdr, flags);
    if (sent < 0) return done > 0 ? static_cast<long>(done) : sent;
    messages[done++].msg_len = static_cast<unsigned>(sent);
  }
  return static_cast<long>(done);
}

}  // namespace weft::io
