// Socket addresses as values: IPv4, IPv6 and Unix.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "weft/detail/runtime.hpp"

namespace weft {

// A socket address. Copyable, comparable; never looks anything up.
class WEFT_API endpoint {
public:
  // No address: family() is AF_UNSPEC.
  endpoint() noexcept = default;
  // A copy of any address the kernel knows. Throws std::invalid_argument when `size` does not fit.
  endpoint(const sockaddr* address, socklen_t size);

  // A numeric address ("127.0.0.1", "::1", "fe80::1%eth0") and port. Throws std::invalid_argument; host names are for resolve().
  static endpoint ip(std::string_view address, std::uint16_t port);
  // A Unix socket; a path that begins with '@' names one in the abstract space. Throws std::invalid_argument when it is too long.
  static endpoint unix_path(std::string_view path);

  int family() const noexcept { return storage_.ss_family; }
  // 0 for what has no ports.
  std::uint16_t port() const noexcept;
  // "127.0.0.1", "::1", "fe80::1%2", or the path; empty for none.
  std::string address() const;
  // "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@name".
  std::string to_string() const;

  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const noexcept { return size_; }
  explicit operator bool() const noexcept { return size_ != 0; }

  friend bool operator==(const endpoint& a, const endpoint& b) noexcept { return a.equals(b); }

private:
  bool equals(const endpoint& other) const noexcept;

  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace weft
