// How the socket classes say what went wrong: std::system_error with a sentence.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

#include "weft/socket.hpp"

namespace weft::net {

// Throws the errno that the call just left.
[[noreturn]] inline void fail(const std::string& what) {
  const int error = errno;
  throw std::system_error(error, std::generic_category(), "weft: " + what);
}

// A new close-on-exec socket of the address's family. Throws std::system_error.
socket_handle open_socket(int family, int type);

}  // namespace weft::net
