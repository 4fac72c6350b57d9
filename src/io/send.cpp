// send and sendto.
#include <cerrno>

#include "io/ops.hpp"
#include "io/send_all.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

[[gnu::noinline]] long send_rest(hub& h, caller who, int fd, const void* from, std::size_t n, int flags, const void* to,
                                 unsigned to_size, long first) noexcept {
  park_rules rules(h, who, fd, side::send);
  return send_all(h, rules, fd, n, first, "send", [&](std::size_t done) {
    const int quiet = done > 0 ? MSG_NOSIGNAL : 0;
    return sys::raw(SYS_sendto, fd, static_cast<const char*>(from) + done, n - done, flags | MSG_DONTWAIT | quiet, to, to_size);
  });
}

}  // namespace

long send(hub& h, caller who, int fd, const void* from, std::size_t n, int flags) noexcept {
  return sendto(h, who, fd, from, n, flags, nullptr, 0);
}

long send_after(hub& h, caller who, int fd, const void* from, std::size_t n, int flags, long first) noexcept {
  if ((first < 0 && first != -EAGAIN) || (flags & MSG_DONTWAIT) != 0) return first;
  return send_rest(h, who, fd, from, n, flags, nullptr, 0, first);
}

long sendto(hub& h, caller who, int fd, const void* from, std::size_t n, int flags, const void* to, unsigned to_size) noexcept {
  const long sent = sys::raw(SYS_sendto, fd, from, n, flags | MSG_DONTWAIT, to, to_size);
  if (sent == static_cast<long>(n) || (sent < 0 && sent != -EAGAIN) || (flags & MSG_DONTWAIT) != 0) [[likely]]
    return sent;
  return send_rest(h, who, fd, from, n, flags, to, to_size, sent);
}

}  // namespace weft::io
