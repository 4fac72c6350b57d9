/* The reference every echo figure is compared with: what one thread can do by hand.
 *
 * Edge-triggered, each connection registered once, one recv and one send per request, 512 events
 * a batch. Relies on nothing but the kernel. It must never grow features: each one would move the
 * yardstick. Prints its port on stdout and serves until a signal ends it.
 */
#define _GNU_SOURCE
#include "listen.h"

#include <sys/epoll.h>
#include <unistd.h>

enum { batch_size = 512 };

static void accept_all(int poller, int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN) return;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      die("accept4", errno);
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl", errno);
  }
}

/* A short read means the socket is drained, so no second recv is needed to see EAGAIN. Data and
 * FIN together give a single edge, hence the loop goes on when the event said hang-up. */
static void serve(int fd, unsigned events) {
  char buffer[echo_buffer_size];
  for (;;) {
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) {
      if (n < 0 && errno == EAGAIN) return;
      close(fd);
      return;
    }
    ssize_t sent = send(fd, buffer, (size_t)n, MSG_NOSIGNAL);
    if (sent != n) {
      /* One small message is in flight per connection: the send buffer cannot be full. */
      fprintf(stderr, "epoll_server: short send (%zd of %zd)\n", sent, n);
      close(fd);
      return;
    }
    if (n < (ssize_t)sizeof buffer && !(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) return;
  }
}

int main(void) {
  int listener = listen_on_loopback(SOCK_NONBLOCK);
  int poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0) die("epoll", errno);
  for (;;) {
    static struct epoll_event batch[batch_size];
    int n = epoll_wait(poller, batch, batch_size, -1);
    if (n < 0 && errno != EINTR) die("epoll_wait", errno);
    for (int i = 0; i < n; ++i) {
      if (batch[i].data.fd == listener)
        accept_all(poller, listener);
      else
        serve(batch[i].data.fd, batch[i].events);
    }
  }
}
