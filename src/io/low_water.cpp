#include "io/low_water.hpp"

#include <sys/socket.h>

#include "io/iov.hpp"
#include "sys/syscall.hpp"

namespace weft::io {

sys::atomic<bool> low_water_used;

std::size_t low_water_of(int fd) noexcept {
  int mark = 1;
  socklen_t size = sizeof mark;
  if (sys::raw(SYS_getsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, &mark, &size) != 0 || mark <= 1 || !is_stream(fd)) return 1;
  return static_cast<std::size_t>(mark);
}

}  // namespace weft::io
