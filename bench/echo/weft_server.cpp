// The echo server on Weft's own calls (weft/io.hpp): a fiber per connection, straight code.
// Prints its port on stdout, serves until its standard input ends, then prints what the hub counted:
// bench/run fails a run whose server never parked.

#include "listen.h"

#include <weft/weft.hpp>

#include <unistd.h>

namespace {

void serve(int fd) {
  char buffer[echo_buffer_size];
  for (;;) {
    const ssize_t n = weft::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0 || weft::send(fd, buffer, std::size_t(n), MSG_NOSIGNAL) != n) break;
  }
  weft::close(fd);
}

void accept_all(int listener) {
  for (;;) {
    const int fd = weft::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) die("accept4", errno);
    weft::spawn(serve, fd);
  }
}

}  // namespace

int main() {
  weft::spawn(accept_all, listen_on_loopback(0));
  char byte;
  while (weft::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  const auto stats = weft::this_hub().stats();
  std::printf("{\"parks\": %llu}\n", static_cast<unsigned long long>(stats.parks));
  std::fflush(stdout);
  ::_exit(stats.parks > 0 ? 0 : 1);
}
