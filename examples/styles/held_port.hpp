// A port on loopback for several processes: held while they bind to it, too. Takes no connection itself: it never listens.
#pragma once

#include <weft/weft.hpp>

#include <cerrno>
#include <cstdint>
#include <netinet/in.h>
#include <system_error>

class held_port {
public:
  explicit held_port(std::uint16_t wanted = 0) : socket_(weft::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    setsockopt(socket_.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(socket_.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto at = weft::endpoint::ip("127.0.0.1", wanted);
    if (bind(socket_.fd(), at.data(), at.size()) != 0) throw std::system_error(errno, std::generic_category(), "bind");
  }
  std::uint16_t number() const { return socket_.local_endpoint().port(); }

private:
  weft::socket_handle socket_;
};
