/* accept and connect in all their forms. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>

#include "../scene.h"

#define GROUP "connections"

static struct sockaddr_in at;
static int listener, pair[2];

static void connect_and_talk(void *arg) {
  const int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
  DO(connect(fd, (struct sockaddr *)&at, sizeof at));
  say_flags("client", fd);
  char buffer[16];
  for (long i = 0; i < *(int *)arg; ++i) {
    long n = -1;
    struct iovec part = {"message", 7};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    switch (i) {
      case 0: n = write(fd, "message", 7); break;
      case 1: n = send(fd, "message", 7, 0); break;
      case 2: n = sendto(fd, "message", 7, 0, NULL, 0); break;
      case 3: n = writev(fd, &part, 1); break;
      case 4: n = sendmsg(fd, &message, 0); break;
    }
    say("sent %ld", n);
    DO(recv(fd, buffer, 16, 0));
  }
  DO(shutdown(fd, SHUT_WR));
  DO(recv(fd, buffer, 16, 0));
}

SCENE(conversation) {
  listener = tcp_listener(&at, 16);
  int five = 5;
  part *client = go(connect_and_talk, &five);
  const int fd = (int)MUST(accept(listener, NULL, NULL));
  char buffer[16];
  for (int i = 0; i < 5; ++i) {
    long n = -1;
    struct iovec part = {buffer, 16};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    switch (i) {
      case 0: n = read(fd, buffer, 16); break;
      case 1: n = recv(fd, buffer, 16, 0); break;
      case 2: n = recvfrom(fd, buffer, 16, 0, NULL, NULL); break;
      case 3: n = readv(fd, &part, 1); break;
      case 4: n = recvmsg(fd, &message, 0); break;
    }
    say("got %ld", n);
    DO(write(fd, buffer, 7));
  }
  DO(read(fd, buffer, 16));
  MUST(close(fd));
  join(client);
}

SCENE(accept_flags) {
  listener = tcp_listener(&at, 16);
  int none = 0;
  for (int i = 0; i < 4; ++i) {
    part *client = go(connect_and_talk, &none);
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    long fd = -1;
    switch (i) {
      case 0: fd = accept(listener, (struct sockaddr *)&peer, &size); break;
      case 1: fd = accept4(listener, (struct sockaddr *)&peer, &size, 0); break;
      case 2: fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); break;
      case 3: size = 4; fd = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC); break;
    }
    say_flags("accepted", (int)fd);
    say("address of %u bytes", size);
    MUST(close((int)fd));
    join(client);
  }
  DO(accept4(listener, NULL, NULL, 1 << 5));
  say_flags("listener", listener);
}

QUIET_SCENE(accept_errors) {
  tcp_pair(pair);
  int pipes[2];
  pipe_pair(pipes);
  DO(accept(pair[0], NULL, NULL));
  DO(accept(pipes[0], NULL, NULL));
  DO(accept(-1, NULL, NULL));
  DO(accept4(12345, NULL, NULL, SOCK_NONBLOCK));
  const int fresh = (int)MUST(socket(AF_INET, SOCK_STREAM, 0)), udp = (int)MUST(socket(AF_INET, SOCK_DGRAM, 0));
  DO(accept(fresh, NULL, NULL));
  DO(accept(udp, NULL, NULL));
  const int path = (int)MUST(open("/", O_PATH));
  DO(accept(path, NULL, NULL));
}

static void accept_one(void *arg) {
  (void)arg;
  DO(accept(listener, NULL, NULL) >= 0);
}

SCENE(two_accept) {
  listener = tcp_listener(&at, 16);
  part *a = go(accept_one, NULL), *b = go(accept_one, NULL);
  await_blocked(a);
  await_blocked(b);
  const int one = tcp_connected(&at), two = tcp_connected(&at);
  join(a);
  join(b);
  close(one);
  close(two);
}

SCENE(listener_shut_down) {
  listener = tcp_listener(&at, 16);
  part *a = go(accept_one, NULL);
  await_blocked(a);
  DO(shutdown(listener, SHUT_RDWR));
  join(a);
  DO(accept(listener, NULL, NULL));
}

static void say_connection(int fd) {
  int error = -1;
  socklen_t size = sizeof error;
  struct pollfd p = {fd, POLLOUT, 0};
  DO(poll(&p, 1, 100000));
  say("revents %x", (unsigned)p.revents);
  DO(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
  say("%s", error_name(error));
}

SCENE(connect_without_waiting) {
  listener = tcp_listener(&at, 16);
  struct sockaddr_in nobody;
  tcp_refusing(&nobody);
  const int a = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), b = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
  DO(connect(a, (struct sockaddr *)&at, sizeof at));
  say_connection(a);
  DO(connect(a, (struct sockaddr *)&at, sizeof at));
  DO(connect(a, (struct sockaddr *)&at, sizeof at));
  MUST(fcntl(b, F_SETFL, O_NONBLOCK));
  DO(connect(b, (struct sockaddr *)&nobody, sizeof nobody));
  say_connection(b);
  say_flags("connected", a);
  say_flags("refused", b);
  usleep(1000);
}

SCENE(connect_failures) {
  struct sockaddr_in nobody, six = {.sin_family = AF_INET6};
  tcp_refusing(&nobody);
  listener = tcp_listener(&at, 16);
  char c;
  const int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
  DO(connect(fd, (struct sockaddr *)&nobody, sizeof nobody));
  say_flags("refused", fd);
  DO(recv(fd, &c, 1, 0));
  /* As Linux has it, a refused socket can be tried again. */
  DO(connect(fd, (struct sockaddr *)&nobody, sizeof nobody));
  DO(connect(fd, (struct sockaddr *)&at, sizeof at));
  DO(connect(fd, (struct sockaddr *)&at, sizeof at));
  say_flags("connected", fd);
  const int other = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
  DO(connect(other, (struct sockaddr *)&at, 3));
  DO(connect(other, (struct sockaddr *)&six, sizeof six));
  struct sockaddr_in broadcast = at;
  broadcast.sin_addr.s_addr = htonl(INADDR_BROADCAST);
  DO(connect(other, (struct sockaddr *)&broadcast, sizeof broadcast));
  DO(connect(-1, (struct sockaddr *)&at, sizeof at));
  DO(connect(listener, (struct sockaddr *)&at, sizeof at));
  int pipes[2];
  pipe_pair(pipes);
  DO(connect(pipes[0], (struct sockaddr *)&at, sizeof at));
  const struct sockaddr none = {.sa_family = AF_UNSPEC};
  DO(connect(fd, &none, sizeof none));
  DO(send(fd, "x", 1, MSG_NOSIGNAL));
  usleep(1000);
}

/* A full backlog answers nothing: the limit of SO_SNDTIMEO ends the wait, and the attempt goes on behind it. */
SCENE(connect_timeout) {
  listener = tcp_listener(&at, 0);
  const int first = tcp_connected(&at), second = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  QUIETLY(connect(second, (struct sockaddr *)&at, sizeof at));
  const int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
  const struct timeval limit = {0, 20000};
  MUST(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
  DO(connect(fd, (struct sockaddr *)&at, sizeof at));
  DO(connect(fd, (struct sockaddr *)&at, sizeof at));
  say_flags("waiting", fd);
  close(first);
}

static void connect_unix(void *arg) {
  const int fd = (int)MUST(socket(AF_UNIX, *(int *)arg, 0));
  struct sockaddr_un name;
  socklen_t size = sizeof name;
  MUST(getsockname(listener, (struct sockaddr *)&name, &size));
  DO(connect(fd, (struct sockaddr *)&name, size));
  say_flags("client", fd);
  char c;
  DO(read(fd, &c, 1));
}

SCENE(unix_connections) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", fresh_name("listener"));
  const int none = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));
  DO(connect(none, (struct sockaddr *)&name, sizeof name));
  int kinds[2] = {SOCK_STREAM, SOCK_SEQPACKET};
  for (int k = 0; k < 2; ++k) {
    listener = (int)MUST(socket(AF_UNIX, kinds[k], 0));
    MUST(bind(listener, (struct sockaddr *)&name, sizeof name));
    MUST(listen(listener, 1));
    /* More than the backlog holds: some wait in connect. */
    part *all[8];
    for (int i = 0; i < 8; ++i) all[i] = go(connect_unix, &kinds[k]);
    for (int i = 0; i < 8; ++i) await_blocked(all[i]);
    const int late = (int)MUST(socket(AF_UNIX, kinds[k] | SOCK_NONBLOCK, 0));
    DO(connect(late, (struct sockaddr *)&name, sizeof name));
    int accepted[8];
    for (int i = 0; i < 8; ++i) accepted[i] = (int)MUST(accept(listener, NULL, NULL));
    MUST(unlink(name.sun_path));
    MUST(close(listener));
    for (int i = 0; i < 8; ++i) MUST(close(accepted[i]));
    for (int i = 0; i < 8; ++i) join(all[i]);
    MUST(close(late));
    DO(connect(none, (struct sockaddr *)&name, sizeof name));
  }
}

static void connect_udp(void *arg) {
  (void)arg;
  const int fd = (int)MUST(socket(AF_INET, SOCK_DGRAM, 0));
  DO(connect(fd, (struct sockaddr *)&at, sizeof at));
  const struct sockaddr none = {.sa_family = AF_UNSPEC};
  DO(connect(fd, &none, sizeof none));
  DO(send(fd, "x", 1, 0));
}

QUIET_SCENE(udp_connect) {
  listener = tcp_listener(&at, 1);
  join(go(connect_udp, NULL));
}
