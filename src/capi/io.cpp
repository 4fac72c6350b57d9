// weft.h: blocking calls on descriptors, those of weft/io.hpp.
#include "capi/guard.hpp"
#include "weft/io.hpp"
#include "weft/weft.h"

using namespace weft::capi;

ssize_t weft_read(int fd, void* to, size_t size) {
  return guarded([&] { return weft::read(fd, to, size); });
}

ssize_t weft_write(int fd, const void* from, size_t size) {
  return guarded([&] { return weft::write(fd, from, size); });
}

ssize_t weft_recv(int fd, void* to, size_t size, int flags) {
  return guarded([&] { return weft::recv(fd, to, size, flags); });
}

ssize_t weft_send(int fd, const void* from, size_t size, int flags) {
  return guarded([&] { return weft::send(fd, from, size, flags); });
}

int weft_accept(int fd, struct sockaddr* address, socklen_t* size) {
  return guarded([&] { return weft::accept(fd, address, size); });
}

int weft_connect(int fd, const struct sockaddr* address, socklen_t size) {
  return guarded([&] { return weft::connect(fd, address, size); });
}

int weft_poll(struct pollfd* fds, nfds_t count, int timeout_ms) {
  return guarded([&] { return weft::poll(fds, count, timeout_ms); });
}

int weft_close(int fd) { return weft::close(fd); }
