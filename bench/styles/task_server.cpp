// The echo server in task style: a coroutine per connection. Otherwise as ../echo/weft_server.cpp, the fiber style.
#include "../echo/listen.h"
#include "../echo/weft_main.hpp"

namespace {

namespace async = weft::async;

weft::task<> serve(int fd) {
  char buffer[echo_buffer_size];
  for (;;) {
    const ssize_t n = co_await async::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    const ssize_t sent = co_await async::send(fd, buffer, std::size_t(n), MSG_NOSIGNAL);
    if (sent != n) break;
  }
  weft::close(fd);
}

weft::task<> accept_all(int listener) {
  for (;;) {
    const int fd = co_await async::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) die("accept4", errno);
    weft::spawn(serve(fd));
  }
}

}  // namespace

int main() {
  weft::spawn(accept_all(listen_on_loopback(0)));
  serve_until_input_ends();
}
