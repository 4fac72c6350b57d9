// The echo server on Weft's own calls (weft/io.hpp): a fiber per connection, straight code.
// Prints its port on stdout.

#include "listen.h"
#include "weft_main.hpp"

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
  serve_until_input_ends();
}
