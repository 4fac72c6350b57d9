/* The flags of receiving and sending on stream sockets, and the descriptor's own: O_NONBLOCK, SO_RCVTIMEO, SO_SNDTIMEO. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "../scene.h"

#define GROUP "receiving"

static int pair[2];

static void send_with_urgent(void *arg) {
  (void)arg;
  char buffer[16];
  DO(recv(pair[1], buffer, 2, MSG_WAITALL));
  DO(send(pair[1], "abcdefghij", 10, 0));
  DO(recv(pair[1], buffer, 2, MSG_WAITALL));
  DO(send(pair[1], "xyz!", 4, MSG_OOB));
  DO(shutdown(pair[1], SHUT_WR));
}

SCENE(tcp_flags) {
  tcp_pair(pair);
  part *peer = go(send_with_urgent, NULL);
  char buffer[16];
  DO(recv(pair[0], buffer, 8, MSG_DONTWAIT));
  DO(recv(pair[0], buffer, 1, MSG_OOB));
  MUST(write(pair[0], "go", 2));
  DO(recv(pair[0], buffer, 3, MSG_PEEK | MSG_WAITALL));
  DO(recv(pair[0], buffer, 6, MSG_WAITALL));
  say("%.6s", buffer);
  DO(recv(pair[0], buffer, 4, MSG_TRUNC));
  MUST(write(pair[0], "go", 2));
  DO(recv(pair[0], buffer, 16, 0));
  DO(ioctl(pair[0], SIOCATMARK, buffer));
  DO(recv(pair[0], buffer, 1, MSG_OOB));
  say("%c", buffer[0]);
  DO(recv(pair[0], buffer, 1, MSG_OOB));
  DO(recv(pair[0], buffer, 1, 0));
  DO(recv(pair[0], buffer, 1, 0));
  DO(recv(pair[0], buffer, 1, MSG_WAITALL));
  DO(recv(pair[0], buffer, 0, 0));
  join(peer);
}

static void receive_inline(int by_message) {
  tcp_pair(pair);
  const int on = 1;
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
  part *peer = go(send_with_urgent, NULL);
  char buffer[16];
  MUST(write(pair[0], "go", 2));
  DO(recv(pair[0], buffer, 10, MSG_WAITALL));
  MUST(write(pair[0], "go", 2));
  struct iovec part = {buffer, 16};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  DO(by_message ? recvmsg(pair[0], &message, MSG_WAITALL) : recv(pair[0], buffer, 16, MSG_WAITALL));
  DO(recv(pair[0], buffer, 1, MSG_OOB));
  DO(recv(pair[0], buffer, 16, MSG_WAITALL));
  say("%c", buffer[0]);
  join(peer);
}

SCENE(urgent_inline) {
  receive_inline(0);
  receive_inline(1);
}

static void send_three(void *arg) {
  (void)arg;
  char c;
  for (int i = 0; i < 3; ++i) {
    DO(recv(pair[1], &c, 1, 0));
    DO(send(pair[1], "four", 4, MSG_MORE));
  }
  DO(close(pair[1]));
}

SCENE(waitall_over_pieces) {
  unix_pair(SOCK_STREAM, pair);
  part *peer = go(send_three, NULL);
  char buffer[32];
  MUST(write(pair[0], "123", 3));
  DO(recv(pair[0], buffer, 12, MSG_PEEK) > 0);
  DO(recv(pair[0], buffer, 12, MSG_WAITALL));
  say("%.12s", buffer);
  DO(recv(pair[0], buffer, 12, MSG_WAITALL));
  join(peer);
}

static void close_in_the_middle(void *arg) {
  (void)arg;
  DO(send(pair[1], "half", 4, 0));
  hear(pair[1]);
  DO(close(pair[1]));
}

SCENE(waitall_cut_short) {
  for (int kind = 0; kind < 2; ++kind) {
    if (kind == 0) tcp_pair(pair);
    else unix_pair(SOCK_STREAM, pair);
    part *peer = go(close_in_the_middle, NULL);
    char buffer[32];
    DO(recv(pair[0], buffer, 2, MSG_WAITALL));
    tell(pair[0]);
    DO(recv(pair[0], buffer, 32, MSG_WAITALL));
    DO(recv(pair[0], buffer, 32, MSG_WAITALL));
    join(peer);
    MUST(close(pair[0]));
  }
}

static void say_hello_later(void *arg) {
  (void)arg;
  char c;
  DO(recv(pair[1], &c, 1, 0));
  DO(send(pair[1], "hello", 5, 0));
  DO(recv(pair[1], &c, 1, 0));
}

SCENE(peek_waits) {
  unix_pair(SOCK_STREAM, pair);
  part *peer = go(say_hello_later, NULL);
  char buffer[16];
  MUST(write(pair[0], "g", 1));
  DO(recv(pair[0], buffer, 16, MSG_PEEK));
  DO(recv(pair[0], buffer, 3, MSG_PEEK));
  const int from = 2;
  DO(setsockopt(pair[0], SOL_SOCKET, SO_PEEK_OFF, &from, sizeof from));
  DO(recv(pair[0], buffer, 2, MSG_PEEK));
  say("%.2s", buffer);
  DO(read(pair[0], buffer, 16));
  MUST(write(pair[0], "g", 1));
  join(peer);
}

SCENE(nonblocking) {
  struct sockaddr_in at;
  tcp_pair(pair);
  const int l = tcp_listener(&at, 4);
  MUST(fcntl(l, F_SETFL, O_NONBLOCK));
  char c;
  DO(accept(l, NULL, NULL));
  DO(accept4(l, NULL, NULL, SOCK_CLOEXEC));
  MUST(fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) | O_NONBLOCK));
  DO(recv(pair[0], &c, 1, 0));
  DO(recv(pair[0], &c, 1, MSG_WAITALL));
  DO(recv(pair[0], &c, 1, MSG_PEEK));
  DO(read(pair[0], &c, 1));
  struct iovec part = {&c, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  DO(readv(pair[0], &part, 1));
  DO(recvmsg(pair[0], &message, 0));
  say_flags("non-blocking", pair[0]);
  MUST(write(pair[1], "x", 1));
  MUST(fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) & ~O_NONBLOCK));
  DO(recv(pair[0], &c, 1, 0));
  say_flags("blocking", pair[0]);
  int on = 1;
  DO(ioctl(pair[0], FIONBIO, &on));
  DO(recv(pair[0], &c, 1, 0));
  say_flags("FIONBIO", pair[0]);
  char *data = bytes(8u << 20, 'd');
  const ssize_t some = send(pair[0], data, 8u << 20, 0);
  say(some > 0 && some < 8 << 20 ? "a part" : "not a part");
  while (send(pair[0], data, 8u << 20, 0) > 0) {
  }
  DO(send(pair[0], data, 8u << 20, 0));
  DO(write(pair[0], data, 1));
  int fds[2];
  MUST(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
  DO(read(fds[0], &c, 1));
  while (write(fds[1], data, 4096) > 0) {
  }
  DO(write(fds[1], data, 4096));
  DO(writev(fds[1], &part, 1));
  say_flags("pipe", fds[1]);
  /* A part waits through the blocking end while others share the table. */
  usleep(1000);
}

static void say_meanwhile(void *arg) {
  (void)arg;
  usleep(1000);
  say("meanwhile");
}

SCENE(time_limits) {
  struct sockaddr_in at;
  unix_pair(SOCK_STREAM, pair);
  const int l = tcp_listener(&at, 4);
  part *other = go(say_meanwhile, NULL);
  const struct timeval limit = {0, 15000};
  char c;
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
  MUST(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  struct iovec part = {&c, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  struct mmsghdr many[2] = {{.msg_hdr = message}, {.msg_hdr = message}};
  DO(recv(pair[0], &c, 1, 0));
  DO(recv(pair[0], &c, 1, MSG_WAITALL));
  DO(recv(pair[0], &c, 1, MSG_PEEK));
  DO(read(pair[0], &c, 1));
  DO(readv(pair[0], &part, 1));
  DO(recvmsg(pair[0], &message, 0));
  DO(recvmmsg(pair[0], many, 2, 0, NULL));
  DO(accept(l, NULL, NULL));
  char *data = bytes(8u << 20, 'd');
  const ssize_t some = write(pair[0], data, 8u << 20);
  say(some > 0 && some < 8 << 20 ? "a part" : "not a part");
  DO(send(pair[0], data, 8u << 20, 0));
  DO(write(pair[0], data, 1u << 20));
  DO(writev(pair[0], &part, 1));
  DO(sendmsg(pair[0], &message, 0));
  DO(send(pair[0], data, 1, MSG_DONTWAIT));
  say_flags("limited", pair[0]);
  join(other);
}

static void send_one_each(void *arg) {
  (void)arg;
  for (int i = 0; i < 2; ++i) {
    hear(pair[1]);
    DO(write(pair[1], "abc", 3));
  }
}

/* What came before the limit passed counts. */
SCENE(time_limit_in_waitall) {
  tcp_pair(pair);
  part *peer = go(send_one_each, NULL);
  const struct timeval far = {100, 0}, near = {0, 30000};
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &far, sizeof far));
  char buffer[16];
  tell(pair[0]);
  DO(recv(pair[0], buffer, 3, MSG_WAITALL));
  tell(pair[0]);
  MUST(recv(pair[0], buffer, 3, MSG_PEEK | MSG_WAITALL));
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &near, sizeof near));
  DO(recv(pair[0], buffer, 10, MSG_WAITALL));
  DO(recv(pair[0], buffer, 10, MSG_WAITALL));
  join(peer);
  const struct timeval none = {0, 0};
  DO(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none));
  const struct timeval wrong = {0, 2000000};
  DO(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &wrong, sizeof wrong));
}

static void receive_all_at_once(void *arg) {
  (void)arg;
  char buffer[16];
  DO(recv(pair[0], buffer, 16, 0));
}

/* Less than the mark does not wake a receiver that waits already. One that comes when there is less takes it and waits for
 * more, and Linux counts anew from what it took (tcp_data_ready): the rest that would reach the mark does not wake it. */
SCENE(low_water_mark) {
  tcp_pair(pair);
  const int low = 6;
  DO(setsockopt(pair[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low));
  part *receiver = go(receive_all_at_once, NULL);
  await_blocked(receiver);
  DO(write(pair[1], "abc", 3));
  await_blocked(receiver);
  DO(write(pair[1], "abc", 3));
  join(receiver);
}

static void reset_when_told(void *arg) {
  const struct linger hard = {1, 0};
  hear(pair[1]);
  if (arg != NULL) await_blocked(arg);
  MUST(setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
  MUST(close(pair[1]));
}

SCENE(reset_by_peer) {
  tcp_pair(pair);
  MUST(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
  part *peer = go(reset_when_told, NULL);
  char c;
  tell(pair[0]);
  DO(recv(pair[0], &c, 1, 0));
  DO(recv(pair[0], &c, 1, 0));
  DO(send(pair[0], &c, 1, 0));
  int error = -1;
  socklen_t size = sizeof error;
  DO(getsockopt(pair[0], SOL_SOCKET, SO_ERROR, &error, &size));
  say("%s", error_name(error));
  join(peer);
}

QUIET_SCENE(socket_errors) {
  int pipes[2];
  struct sockaddr_in nobody;
  tcp_pair(pair);
  pipe_pair(pipes);
  tcp_refusing(&nobody);
  char c = 0;
  struct iovec part = {&c, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  struct mmsghdr many = {.msg_hdr = message};
  DO(recv(12345, &c, 1, 0));
  DO(send(12345, &c, 1, 0));
  DO(recvmsg(-1, &message, 0));
  DO(sendmsg(-1, &message, 0));
  DO(recvmmsg(-1, &many, 1, 0, NULL));
  DO(sendmmsg(-1, &many, 1, 0));
  DO(recv(pipes[0], &c, 1, 0));
  DO(send(pipes[1], &c, 1, 0));
  DO(sendmsg(pipes[1], &message, 0));
  DO(recvmsg(pipes[0], &message, 0));
  DO(recvmmsg(pipes[0], &many, 1, 0, NULL));
  DO(sendmmsg(pipes[1], &many, 1, 0));
  DO(recvmmsg(pair[0], &many, 0, 0, NULL));
  DO(sendmmsg(pair[0], &many, 0, 0));
  const struct timespec wrong = {0, -1};
  DO(recvmmsg(pair[0], &many, 1, 0, (struct timespec *)&wrong));
  const int fresh = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
  DO(recv(fresh, &c, 1, 0));
  DO(send(fresh, &c, 1, MSG_NOSIGNAL));
  DO(shutdown(fresh, SHUT_RDWR));
  DO(send(pair[0], &c, 0, 0));
  DO(recv(pair[0], &c, 0, MSG_DONTWAIT));
  DO(sendto(pair[0], &c, 1, 0, (struct sockaddr *)&nobody, sizeof nobody));
  DO(recv(pair[1], &c, 1, MSG_ERRQUEUE | MSG_DONTWAIT));
  DO(recv(pair[1], &c, 1, MSG_ERRQUEUE));
}

/* -- SO_RCVLOWAT */

static int mark = 90;

static void receive_in_each_way(void *arg) {
  char buffer[256];
  struct iovec parts[2] = {{buffer, 20}, {buffer + 20, 200}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  (void)arg;
  DO(recv(pair[0], buffer, 200, 0));
  DO(read(pair[0], buffer, 200));
  DO(readv(pair[0], parts, 2));
  DO(recvmsg(pair[0], &message, 0));
  DO(recvfrom(pair[0], buffer, 200, 0, NULL, NULL));
}

static void send_bytes(size_t n) {
  static char zeroes[256];
  MUST(write(pair[1], zeroes, n));
}

/* Nothing is there when the receiver comes; then less than it waits for, then more. */
static void wait_for_the_mark(void) {
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark));
  part *receiver = go(receive_in_each_way, NULL);
  for (int i = 0; i < 5; ++i) {
    await_blocked(receiver);
    send_bytes(30);
    await_blocked(receiver);
    send_bytes(100);
  }
  join(receiver);
  /* Less is enough for who wants less, does not wait, or gets no more. */
  char buffer[256];
  send_bytes(50);
  DO(recv(pair[0], buffer, 40, 0));
  DO(recv(pair[0], buffer, 200, MSG_DONTWAIT));
  send_bytes(30);
  const struct timeval limit = {0, 20000};
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  DO(recv(pair[0], buffer, 200, 0));
  send_bytes(30);
  MUST(shutdown(pair[1], SHUT_WR));
  DO(recv(pair[0], buffer, 200, 0));
}

SCENE(a_tcp_receiver_that_waits_for_a_mark) {
  tcp_pair(pair);
  wait_for_the_mark();
}

SCENE(a_local_receiver_that_waits_for_a_mark) {
  unix_pair(SOCK_STREAM, pair);
  wait_for_the_mark();
}
