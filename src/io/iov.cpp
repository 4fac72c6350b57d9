#include "io/iov.hpp"

#include <sys/socket.h>

#include "sys/syscall.hpp"

namespace weft::io {

std::size_t total_bytes(const iovec* parts, std::size_t count) noexcept {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += parts[i].iov_len;
  return sum;
}

std::size_t rest_of(const iovec* parts, std::size_t count, std::size_t done, iovec* window, std::size_t most) noexcept {
  std::size_t used = 0;
  for (std::size_t i = 0; i < count && used < most; ++i) {
    const iovec& part = parts[i];
    if (done >= part.iov_len) {
      done -= part.iov_len;
      continue;
    }
    window[used++] = {static_cast<char*>(part.iov_base) + done, part.iov_len - done};
    done = 0;
  }
  return used;
}

bool is_stream(int fd) noexcept {
  int type = 0;
  socklen_t size = sizeof type;
  return sys::raw(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace weft::io
