// What stream, listener and datagram_socket have in common: a descriptor with one owner.
#pragma once

#include <string>
#include <utility>

#include "weft/detail/runtime.hpp"
#include "weft/endpoint.hpp"

namespace weft {

// Owns a descriptor. Movable; the destructor closes, and never throws or parks. Fibers that wait on a descriptor when it is closed
// wake, and their calls throw std::system_error with EBADF.
class WEFT_API socket_handle {
public:
  socket_handle() noexcept = default;
  explicit socket_handle(int fd) noexcept : fd_(fd) {}
  socket_handle(socket_handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  socket_handle& operator=(socket_handle&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~socket_handle() { close(); }

  explicit operator bool() const noexcept { return fd_ >= 0; }
  // -1 when there is none.
  int fd() const noexcept { return fd_; }
  // Gives the descriptor away; the caller closes it.
  int release() noexcept { return std::exchange(fd_, -1); }
  // Closes; nothing when it is closed already.
  void close() noexcept;

  // This side's address (the port that the kernel chose, after binding to port 0). Throws std::system_error.
  endpoint local_endpoint() const;

  // setsockopt with an int. Throws std::system_error.
  void set_option(int level, int name, int value);

private:
  int fd_ = -1;
};

}  // namespace weft
