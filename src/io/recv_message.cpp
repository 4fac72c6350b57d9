// recvmsg and recvmmsg.
#include <cerrno>

#include "io/durations.hpp"
#include "io/iov.hpp"
#include "io/low_water.hpp"
#include "io/ops.hpp"
#include "io/receive.hpp"
#include "io/until_ready.hpp"
#include "io/user_memory.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

long receive_rest(hub& h, park_rules& rules, int fd, const char* reason, const iovec* parts, std::size_t count, int flags,
                  std::size_t least, std::size_t done) noexcept {
  while (done < least) {
    iovec window[window_parts];
    msghdr part{};
    part.msg_iov = window;
    part.msg_iovlen = rest_of(parts, count, done, window, window_parts);
    const auto attempt = [&] {
      return ends_after_a_part(fd) ? 0 : sys::raw(SYS_recvmsg, fd, &part, (flags & ~MSG_WAITALL) | MSG_DONTWAIT);
    };
    const long got = until_ready(h, rules, fd, poller::in, reason, attempt, attempt);
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<long>(done);
}

long recvmsg(hub& h, caller who, int fd, msghdr* message, int flags) noexcept {
  if (flags & never_waiting_flags) return sys::raw(SYS_recvmsg, fd, message, flags);
  park_rules rules(h, who, fd, side::receive);
  const auto attempt = [&] { return sys::raw(SYS_recvmsg, fd, message, flags | MSG_DONTWAIT); };
  const long got = until_ready(h, rules, fd, poller::in, "recvmsg", attempt, attempt);
  const bool all = (flags & MSG_WAITALL) != 0;
  if (got <= 0 || (flags & MSG_PEEK) != 0 || (!all && !low_water_used.load_relaxed())) return got;
  const std::size_t total = total_bytes(message->msg_iov, message->msg_iovlen), done = static_cast<std::size_t>(got);
  if (done >= total || message->msg_controllen != 0 || (all && !is_stream(fd))) return got;
  const std::size_t least = all ? total : least_bytes(fd, total);
  return receive_rest(h, rules, fd, "recvmsg", message->msg_iov, message->msg_iovlen, flags, least, done);
}

long recvmmsg(hub& h, caller who, int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) noexcept {
  const auto now_flags = static_cast<unsigned>(flags | MSG_DONTWAIT);
  if ((flags & never_waiting_flags) != 0 || count == 0) return sys::raw(SYS_recvmmsg, fd, messages, count, flags, limit);
  nanos length;
  if (const long error = take_limit(limit, length); error != 0) return error;
  const nanos end = deadline_in(h, length);
  park_rules rules(h, who, fd, side::receive);
  unsigned done = 0;
  // recvmmsg(2): the limit is looked at after a datagram has come, not while none does; what came before an error is the answer.
  while (done < count) {
    const auto attempt = [&] { return sys::raw(SYS_recvmmsg, fd, messages + done, count - done, now_flags, nullptr); };
    const long got = until_ready(h, rules, fd, poller::in, "recvmmsg", attempt, attempt);
    if (got <= 0) {
      if (done == 0) return got;
      break;
    }
    done += static_cast<unsigned>(got);
    if (flags & MSG_WAITFORONE) break;
    if (end != never && detail::now(h) >= end) break;
  }
  if (limit != nullptr) give_left(h, end, limit);
  return static_cast<long>(done);
}

}  // namespace weft::io
