#include "io/park_rules.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "io/fd_facts.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// Nanoseconds of SO_RCVTIMEO or SO_SNDTIMEO; 0: none, or no socket.
nanos socket_limit(int fd, int option) noexcept {
  timeval limit{};
  socklen_t size = sizeof limit;
  if (sys::raw(SYS_getsockopt, fd, SOL_SOCKET, option, &limit, &size) < 0) return 0;
  return static_cast<nanos>(limit.tv_sec) * 1'000'000'000 + static_cast<nanos>(limit.tv_usec) * 1'000;
}

}  // namespace

long park_rules::ask() noexcept {
  using namespace facts;
  const std::uint32_t known = side_ == side::receive ? receive_known : send_known;
  const std::uint32_t limited = side_ == side::receive ? receive_limited : send_limited;
  const int option = side_ == side::receive ? SO_RCVTIMEO : SO_SNDTIMEO;
  const std::uint32_t seen = get(fd_);
  std::uint32_t word = seen;
  if ((word & flags_known) == 0) {
    const long flags = sys::raw(SYS_fcntl, fd_, F_GETFL);
    if (flags < 0) return flags;
    word |= flags_known | ((flags & O_NONBLOCK) != 0 ? nonblocking : 0);
  }
  nanos limit = 0;
  if ((word & nonblocking) == 0 && (word & (known | limited)) != known) {
    limit = socket_limit(fd_, option);
    word |= known | (limit != 0 ? limited : 0);
  }
  if (word != seen) add(fd_, seen, word & all_facts);
  if (word & nonblocking) return -EAGAIN;
  asked_ = true;
  if (limit != 0) deadline_ = detail::now(h_) + limit;
  return 0;
}

}  // namespace weft::io
