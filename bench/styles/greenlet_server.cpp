// The echo server in greenlet style: a greenlet per connection, and a loop over epoll written by hand, which switches to whoever's
// descriptor is ready. What an event loop with greenlets is made of, and no more.
#include "../echo/listen.h"

#include <weft/greenlet.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <memory>

namespace {

using weft::greenlet;

enum { batch_size = 512 };

int poller;
greenlet loop;

void wait_for_data() { loop.switch_to(); }

void serve(int fd) {
  char buffer[echo_buffer_size];
  for (;;) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n > 0) {
      if (send(fd, buffer, std::size_t(n), MSG_NOSIGNAL) != n) break;
      if (n < ssize_t(sizeof buffer)) wait_for_data();
    } else if (n < 0 && errno == EAGAIN) {
      wait_for_data();
    } else {
      break;
    }
  }
  close(fd);
}

void accept_all(int listener) {
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && errno == EAGAIN) return;
    if (fd < 0) die("accept4", errno);
    auto* connection = new greenlet([fd] { serve(fd); });
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data = {.ptr = connection}};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl", errno);
  }
}

}  // namespace

int main() {
  const int listener = listen_on_loopback(SOCK_NONBLOCK);
  poller = epoll_create1(EPOLL_CLOEXEC);
  loop = greenlet::current();
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0) die("epoll", errno);
  for (;;) {
    static epoll_event batch[batch_size];
    const int n = epoll_wait(poller, batch, batch_size, -1);
    if (n < 0 && errno != EINTR) die("epoll_wait", errno);
    for (int i = 0; i < n; ++i) {
      auto* connection = static_cast<greenlet*>(batch[i].data.ptr);
      if (connection == nullptr) {
        accept_all(listener);
      } else {
        connection->switch_to();
        if (connection->dead()) delete connection;
      }
    }
  }
}
