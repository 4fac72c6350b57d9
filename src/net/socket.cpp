// The descriptor under every socket object. Closing goes through Weft, which wakes the fibers that wait on it.
#include "weft/socket.hpp"

#include <sys/socket.h>

#include "net/fail.hpp"
#include "weft/io.hpp"

namespace weft {

void socket_handle::close() noexcept {
  if (fd_ < 0) return;
  const int error = errno;
  weft::close(std::exchange(fd_, -1));
  errno = error;
}

endpoint socket_handle::local_endpoint() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) net::fail("getsockname");
  return endpoint(reinterpret_cast<const sockaddr*>(&address), size);
}

void socket_handle::set_option(int level, int name, int value) {
  if (::setsockopt(fd_, level, name, &value, sizeof value) != 0)
    net::fail("setsockopt(" + std::to_string(level) + ", " + std::to_string(name) + ")");
}

socket_handle net::open_socket(int family, int type) {
  socket_handle s(weft::socket(family, type | SOCK_CLOEXEC, 0));
  if (!s) fail("socket(" + std::to_string(family) + ")");
  return s;
}

}  // namespace weft
