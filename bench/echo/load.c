/* The load generator of the echo benchmarks: a closed loop of 64-byte messages on N connections.
 *
 * It connects, prints "ready", then obeys lines on stdin: "WARMUP REQUESTS" runs one slice. In a
 * slice, after the warm-up, it reads the server's own CPU clock (CLOCK_PROCESS_CPUTIME_ID of that
 * process, all its threads), counts the requests and reads it again, so that starting, connecting
 * and cold caches are not in the figure; it prints one line of JSON. Slices let the harness alternate
 * between servers faster than the machine drifts. Every echoed byte is compared. It must be cheaper
 * per request than any server, so it does nothing per message but recv, compare, send and one
 * clock read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  batch_size = 512,
  message_words = 8,
  message_size = message_words * 8,
  connections_per_source = 4000, /* stays inside the fast half of the ephemeral port range */
  connects_in_flight = 64,       /* far below any listen backlog */
  stall_ms = 20000
};

struct connection {
  int fd;
  unsigned got;
  uint64_t sequence;
  uint64_t sent_at;
  unsigned char received[message_size];
};

struct load {
  unsigned port;
  unsigned connections;
  pid_t server;
  clockid_t server_clock;
  int poller;
  struct connection* all;
};

struct slice {
  uint64_t warmup;
  uint64_t requests;
  uint64_t done;
  uint64_t wall;
  uint64_t server_cpu;
  uint64_t own_cpu;
  uint32_t* latency;
};

static void die(const char* what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void fail(const char* what) {
  fprintf(stderr, "load: %s\n", what);
  exit(1);
}

static uint64_t now(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) die("clock_gettime");
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Each message differs from every other of the run, so a stale or crossed echo is seen. */
static void compose(uint64_t* words, uint64_t connection, uint64_t sequence) {
  uint64_t mixed = (connection << 32 ^ sequence) * 0x9e3779b97f4a7c15u;
  words[0] = connection;
  words[1] = sequence;
  for (unsigned i = 2; i < message_words; ++i)
    words[i] = mixed + i;
}

static void send_next(struct connection* c, uint64_t index) {
  uint64_t words[message_words];
  compose(words, index, ++c->sequence);
  c->got = 0;
  ssize_t n = send(c->fd, words, message_size, MSG_NOSIGNAL);
  if (n != message_size) {
    if (n >= 0) fail("short send");
    die("send");
  }
}

/* Returns 1 when the whole echo has arrived and is right, 0 when bytes are still missing. */
static int receive(struct connection* c, uint64_t index, int flags) {
  ssize_t n = recv(c->fd, c->received + c->got, message_size - c->got, flags);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n < 0) die("recv");
  if (n == 0) fail("the server closed a connection");
  c->got += (unsigned)n;
  if (c->got < message_size) return 0;
  uint64_t expected[message_words];
  compose(expected, index, c->sequence);
  if (memcmp(expected, c->received, message_size) != 0) fail("the echo differs from what was sent");
  return 1;
}

/* Sources are spread over 127.0.0.2, .3, ... so that ephemeral ports never run short. A reset
 * instead of a FIN at the end leaves no TIME_WAIT socket behind for the next run. */
static int connect_from(unsigned index, unsigned port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  int on = 1;
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  struct sockaddr_in source = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index / connections_per_source)};
  struct sockaddr_in target = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval patience = {.tv_sec = stall_ms / 1000};
  if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0 ||
      bind(fd, (struct sockaddr*)&source, sizeof source) != 0 || connect(fd, (struct sockaddr*)&target, sizeof target) != 0)
    die("connect");
  return fd;
}

static void connect_all(struct load* l) {
  l->all = calloc(l->connections, sizeof *l->all);
  l->poller = epoll_create1(EPOLL_CLOEXEC);
  if (l->all == NULL || l->poller < 0) die("epoll_create1");
  for (unsigned i = 0; i < l->connections; ++i) {
    struct connection* c = &l->all[i];
    c->fd = connect_from(i, l->port);
    /* One echo now and then keeps the server's accept queue from overflowing, which would
     * cost a SYN retransmission of a second. */
    if (i % connects_in_flight == 0 || i + 1 == l->connections) {
      send_next(c, i);
      while (!receive(c, i, 0)) {
        if (errno == EAGAIN) fail("the server does not answer");
      }
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = i};
    if (epoll_ctl(l->poller, EPOLL_CTL_ADD, c->fd, &event) != 0) die("epoll_ctl");
  }
}

/* Counts one answer that arrived at `arrived`; the clocks are read at both ends of the measured part. */
static void count(const struct load* l, struct slice* s, const struct connection* c, uint64_t arrived) {
  const uint64_t last = s->warmup + s->requests;
  if (s->done >= s->warmup && s->done < last) s->latency[s->done - s->warmup] = (uint32_t)(arrived - c->sent_at);
  if (++s->done == s->warmup) {
    s->server_cpu = now(l->server_clock);
    s->own_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    s->wall = arrived;
  } else if (s->done == last) {
    s->server_cpu = now(l->server_clock) - s->server_cpu;
    s->own_cpu = now(CLOCK_PROCESS_CPUTIME_ID) - s->own_cpu;
    s->wall = arrived - s->wall;
  }
}

static void run(struct load* l, struct slice* s) {
  uint64_t outstanding = l->connections;
  for (unsigned i = 0; i < l->connections; ++i) {
    l->all[i].sent_at = now(CLOCK_MONOTONIC);
    send_next(&l->all[i], i);
  }
  while (outstanding > 0) {
    static struct epoll_event batch[batch_size];
    int n = epoll_wait(l->poller, batch, batch_size, stall_ms);
    if (n == 0) fail("no answer from the server");
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; ++i) {
      unsigned index = batch[i].data.u32;
      struct connection* c = &l->all[index];
      if (!receive(c, index, MSG_DONTWAIT)) continue;
      uint64_t arrived = now(CLOCK_MONOTONIC);
      count(l, s, c, arrived);
      if (s->done < s->warmup + s->requests) {
        c->sent_at = arrived;
        send_next(c, index);
      } else {
        --outstanding;
      }
    }
  }
}

static int by_value(const void* a, const void* b) {
  uint32_t x = *(const uint32_t*)a, y = *(const uint32_t*)b;
  return (x > y) - (x < y);
}

static void report(struct slice* s) {
  double requests = (double)s->requests;
  qsort(s->latency, s->requests, sizeof *s->latency, by_value);
  printf(
      "{\"requests\": %llu, \"verified\": %llu, \"wall_ns\": %llu, \"server_cpu_ns\": %llu, "
      "\"load_cpu_ns\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
      (unsigned long long)s->requests, (unsigned long long)s->done, (unsigned long long)s->wall,
      (unsigned long long)s->server_cpu, (unsigned long long)s->own_cpu, s->latency[s->requests / 2] / 1e3,
      s->latency[(uint64_t)(requests * 0.99)] / 1e3);
  fflush(stdout);
}

int main(int argc, char** argv) {
  struct load l = {0};
  if (argc == 4) {
    l.port = (unsigned)strtoul(argv[1], NULL, 10);
    l.server = (pid_t)strtoul(argv[2], NULL, 10);
    l.connections = (unsigned)strtoul(argv[3], NULL, 10);
  }
  if (l.port == 0 || l.server == 0 || l.connections == 0) {
    fprintf(stderr, "usage: load PORT SERVER_PID CONNECTIONS, then lines of WARMUP REQUESTS on stdin\n");
    return 2;
  }
  if ((errno = clock_getcpuclockid(l.server, &l.server_clock)) != 0) die("clock_getcpuclockid");
  connect_all(&l);
  printf("ready\n");
  fflush(stdout);

  char line[128];
  while (fgets(line, sizeof line, stdin) != NULL) {
    struct slice s = {0};
    char* rest = line;
    s.warmup = strtoull(rest, &rest, 10);
    s.requests = strtoull(rest, &rest, 10);
    if (s.warmup == 0 || s.requests == 0) fail("expected WARMUP REQUESTS, both positive");
    s.latency = calloc(s.requests, sizeof *s.latency);
    if (s.latency == NULL) die("calloc");
    run(&l, &s);
    report(&s);
    free(s.latency);
  }
  for (unsigned i = 0; i < l.connections; ++i)
    close(l.all[i].fd);
  return 0;
}
