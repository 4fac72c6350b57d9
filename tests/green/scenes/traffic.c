/* I/O in many threads at once: sockets, pipes, poll, select and epoll, names. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>

#include "../green.h"

#define GROUP "traffic"

static int listener;
static struct sockaddr_in *address;

static void *serve_one(void *arg) {
  const int fd = (int)(long)arg;
  char data[256];
  ssize_t n;
  while ((n = recv(fd, data, sizeof data, 0)) > 0) MUST(send(fd, data, (size_t)n, 0));
  close(fd);
  return NULL;
}

static void *accept_some(void *arg) {
  for (long i = 0; i < (long)arg; ++i) {
    const int fd = (int)MUST(accept(listener, NULL, NULL));
    OK(pthread_detach(start(serve_one, (void *)(long)fd)));
  }
  return NULL;
}

static void *be_client(void *arg) {
  const int fd = tcp_connected(address);
  long sum = 0;
  for (int i = 0; i < 20; ++i) {
    char out[64], in[64];
    const int n = snprintf(out, sizeof out, "client %ld says %d", (long)arg, i);
    MUST(send(fd, out, (size_t)n, 0));
    MUST(recv(fd, in, (size_t)n, MSG_WAITALL));
    sum += memcmp(out, in, (size_t)n) == 0;
  }
  close(fd);
  return (void *)sum;
}

PLAY(a_thread_for_each_connection) {
  enum { clients = 40 };
  address = calloc(1, sizeof *address);
  listener = tcp_listener(address, 64);
  pthread_t acceptor = start(accept_some, (void *)(long)clients), all[clients];
  for (long i = 0; i < clients; ++i) all[i] = start(be_client, (void *)i);
  long sum = 0;
  for (int i = 0; i < clients; ++i) sum += (long)finish(all[i]);
  finish(acceptor);
  say("%ld", sum);
}

/* Several accept from one listener. */
PLAY(several_accept) {
  address = calloc(1, sizeof *address);
  listener = tcp_listener(address, 64);
  pthread_t acceptors[4], all[20];
  for (int i = 0; i < 4; ++i) acceptors[i] = start(accept_some, (void *)5L);
  for (long i = 0; i < 20; ++i) all[i] = start(be_client, (void *)i);
  long sum = 0;
  for (int i = 0; i < 20; ++i) sum += (long)finish(all[i]);
  for (int i = 0; i < 4; ++i) finish(acceptors[i]);
  say("%ld", sum);
}

/* -- pipes */

static int pipes[11][2];

static void *pass_on(void *arg) {
  const long i = (long)arg;
  int n;
  while (read(pipes[i][0], &n, sizeof n) == sizeof n) {
    ++n;
    MUST(write(pipes[i + 1][1], &n, sizeof n));
  }
  close(pipes[i + 1][1]);
  return NULL;
}

PLAY(a_chain_of_pipes) {
  pthread_t all[10];
  for (int i = 0; i < 11; ++i) pipe_pair(pipes[i]);
  for (long i = 0; i < 10; ++i) all[i] = start(pass_on, (void *)i);
  long sum = 0;
  for (int i = 0; i < 100; ++i) {
    int n = i;
    MUST(write(pipes[0][1], &n, sizeof n));
    MUST(read(pipes[10][0], &n, sizeof n));
    sum += n;
  }
  close(pipes[0][1]);
  for (int i = 0; i < 10; ++i) finish(all[i]);
  say("%ld", sum);
}

static void *fill_pipe(void *arg) {
  char data[1000];
  memset(data, 'a' + (int)(long)arg, sizeof data);
  for (int i = 0; i < 200; ++i) MUST(write(pipes[0][1], data, sizeof data));
  return NULL;
}

PLAY(several_fill_a_pipe) {
  pipe_pair(pipes[0]);
  pthread_t all[5];
  for (long i = 0; i < 5; ++i) all[i] = start(fill_pipe, (void *)i);
  long count[5] = {0}, torn = 0;
  for (int block = 0; block < 1000; ++block) {
    char data[1000];
    for (size_t n = 0; n < sizeof data;) n += (size_t)MUST(read(pipes[0][0], data + n, sizeof data - n));
    for (int i = 1; i < 1000; ++i) torn += data[i] != data[0];
    ++count[data[0] - 'a'];
  }
  for (int i = 0; i < 5; ++i) finish(all[i]);
  say("%ld %ld %ld %ld %ld, torn %ld", count[0], count[1], count[2], count[3], count[4], torn);
}

static int pair[2];

static void *send_all(void *arg) {
  const size_t size = (size_t)(long)arg;
  char *data = bytes(size, 's');
  for (size_t at = 0; at < size;) at += (size_t)MUST(send(pair[0], data + at, size - at, 0));
  shutdown(pair[0], SHUT_WR);
  return NULL;
}

PLAY(a_megabyte_through_a_socket) {
  tcp_pair(pair);
  pthread_t t = start(send_all, (void *)(1L << 20));
  long sum = 0;
  char data[5000];
  for (ssize_t n; (n = recv(pair[1], data, sizeof data, 0)) > 0;) sum += n;
  finish(t);
  say("%ld", sum);
}

/* -- poll, select and epoll in threads at once */

static int many[30][2];
static atomic_int seen;

static void *poll_ten(void *arg) {
  const long first = (long)arg;
  struct pollfd p[10];
  for (int got = 0; got < 10;) {
    for (int i = 0; i < 10; ++i) p[i] = (struct pollfd){many[first + i][0], POLLIN, 0};
    MUST(poll(p, 10, -1));
    for (int i = 0; i < 10; ++i)
      if (p[i].revents & POLLIN) {
        char c;
        got += (int)MUST(read(p[i].fd, &c, 1));
        atomic_fetch_add(&seen, 1);
      }
  }
  return NULL;
}

static void *select_ten(void *arg) {
  const long first = (long)arg;
  for (int got = 0; got < 10;) {
    fd_set set;
    int most = 0;
    FD_ZERO(&set);
    for (int i = 0; i < 10; ++i) {
      FD_SET(many[first + i][0], &set);
      if (many[first + i][0] > most) most = many[first + i][0];
    }
    MUST(select(most + 1, &set, NULL, NULL, NULL));
    for (int i = 0; i < 10; ++i)
      if (FD_ISSET(many[first + i][0], &set)) {
        char c;
        got += (int)MUST(read(many[first + i][0], &c, 1));
        atomic_fetch_add(&seen, 1);
      }
  }
  return NULL;
}

static void *epoll_ten(void *arg) {
  const long first = (long)arg;
  const int set = (int)MUST(epoll_create1(0));
  for (int i = 0; i < 10; ++i) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = many[first + i][0]};
    MUST(epoll_ctl(set, EPOLL_CTL_ADD, many[first + i][0], &e));
  }
  for (int got = 0; got < 10;) {
    struct epoll_event e[4];
    const int n = (int)MUST(epoll_wait(set, e, 4, -1));
    for (int i = 0; i < n; ++i) {
      char c;
      got += (int)MUST(read(e[i].data.fd, &c, 1));
      atomic_fetch_add(&seen, 1);
    }
  }
  return NULL;
}

PLAY(poll_select_and_epoll_at_once) {
  for (int i = 0; i < 30; ++i) unix_pair(SOCK_STREAM, many[i]);
  pthread_t all[3] = {start(poll_ten, (void *)0L), start(select_ten, (void *)10L), start(epoll_ten, (void *)20L)};
  for (int i = 0; i < 30; ++i) {
    tell(many[i * 7 % 30][1]);
    if (i % 5 == 0) usleep(300);
  }
  for (int i = 0; i < 3; ++i) finish(all[i]);
  say("%d", atomic_load(&seen));
}

/* Several threads wait in one epoll set; each event goes to one of them. */
static int shared_set;

static void *take_events(void *arg) {
  long got = (long)arg;
  for (;;) {
    struct epoll_event e;
    MUST(epoll_wait(shared_set, &e, 1, -1));
    char c;
    if (read(e.data.fd, &c, 1) != 1) continue;
    if (c == 'q') return (void *)got;
    ++got;
    e.events = EPOLLIN | EPOLLONESHOT;
    MUST(epoll_ctl(shared_set, EPOLL_CTL_MOD, e.data.fd, &e));
  }
}

PLAY(several_wait_in_one_epoll_set) {
  shared_set = (int)MUST(epoll_create1(0));
  for (int i = 0; i < 10; ++i) {
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, many[i]));
    struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = many[i][0]};
    MUST(epoll_ctl(shared_set, EPOLL_CTL_ADD, many[i][0], &e));
  }
  pthread_t all[4];
  for (int i = 0; i < 4; ++i) all[i] = start(take_events, NULL);
  for (int i = 0; i < 200; ++i) tell(many[i % 10][1]);
  for (int i = 0; i < 10; ++i) {
    int left = 0;
    do usleep(200);
    while (ioctl(many[i][0], FIONREAD, &left) == 0 && left > 0);
  }
  for (int i = 0; i < 4; ++i) MUST(write(many[i][1], "q", 1));
  long sum = 0;
  for (int i = 0; i < 4; ++i) sum += (long)finish(all[i]);
  say("%ld", sum);
}

/* -- a thousand wait */

static int thousand[1000][2];

static void *receive_one(void *arg) {
  char c = 0;
  MUST(recv(thousand[(long)arg][0], &c, 1, 0));
  return (void *)(long)c;
}

PLAY(a_thousand_wait_in_recv) {
  struct rlimit limit = {4096, 4096};
  setrlimit(RLIMIT_NOFILE, &limit);
  pthread_attr_t attr;
  OK(pthread_attr_init(&attr));
  OK(pthread_attr_setstacksize(&attr, 65536));
  pthread_t all[1000];
  for (long i = 0; i < 1000; ++i) {
    unix_pair(SOCK_STREAM, thousand[i]);
    all[i] = start_with(&attr, receive_one, (void *)i);
  }
  let_block(all[999]);
  for (int i = 999; i >= 0; --i) MUST(send(thousand[i][1], &"abcdefghij"[i % 10], 1, 0));
  long sum = 0;
  for (long i = 0; i < 1000; ++i) sum += ((long)finish(all[i]) - 'a') * i;
  say("%ld", sum);
}

/* -- names, limits, both directions */

static void *look_up(void *arg) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET}, *found = NULL;
  const int error = getaddrinfo("localhost", "80", &hints, &found);
  if (error != 0) return (void *)(long)error;
  const long port = ntohs(((struct sockaddr_in *)found->ai_addr)->sin_port);
  freeaddrinfo(found);
  (void)arg;
  return (void *)port;
}

PLAY(getaddrinfo_in_threads) {
  pthread_t all[8];
  for (int i = 0; i < 8; ++i) all[i] = start(look_up, NULL);
  for (int i = 0; i < 8; ++i) say("%ld", (long)finish(all[i]));
}

static void *time_out(void *arg) {
  const struct timeval limit = {0, 3000};
  char c;
  (void)arg;
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  DO(recv(pair[0], &c, 1, 0));
  struct pollfd p = {pair[0], POLLIN, 0};
  DO(poll(&p, 1, 2));
  return NULL;
}

PLAY(limits_of_waits) {
  unix_pair(SOCK_STREAM, pair);
  finish(start(time_out, NULL));
}

static void *both_ways(void *arg) {
  const int fd = (int)(long)arg;
  char c;
  long n = 0;
  while (read(fd, &c, 1) == 1) {
    ++n;
    MUST(write(fd, &c, 1));
  }
  return (void *)n;
}

PLAY(both_directions_of_one_socket) {
  tcp_pair(pair);
  pthread_t t = start(both_ways, (void *)(long)pair[1]);
  for (int i = 0; i < 100; ++i) {
    tell(pair[0]);
    hear(pair[0]);
  }
  shutdown(pair[0], SHUT_WR);
  say("%ld", (long)finish(t));
}
