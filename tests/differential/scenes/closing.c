/* shutdown, close and dup of descriptors, also while other parts wait on them. */
#include <poll.h>
#include <sys/eventfd.h>

#include "../scene.h"

#define GROUP "closing"

static int pair[2];

static void receive(void *arg) {
  char c;
  AS("recv", recv(*(int *)arg, &c, 1, 0));
}

static void send_much(void *arg) {
  char *data = bytes(16u << 20, 'd');
  long n = send(*(int *)arg, data, 16u << 20, MSG_NOSIGNAL);
  say(n > 0 && n < 16 << 20 ? "a part" : "not a part");
  AS("send", send(*(int *)arg, data, 1, MSG_NOSIGNAL));
}

SCENE(shutdown_while_others_receive) {
  for (int kind = 0; kind < 2; ++kind) {
    if (kind == 0) tcp_pair(pair);
    else unix_pair(SOCK_STREAM, pair);
    part *all[3];
    for (int i = 0; i < 3; ++i) all[i] = go(receive, &pair[0]);
    for (int i = 0; i < 3; ++i) await_blocked(all[i]);
    DO(shutdown(pair[0], SHUT_RD));
    for (int i = 0; i < 3; ++i) join(all[i]);
    close_both(pair);
  }
}

SCENE(peer_goes_while_others_receive) {
  for (int kind = 0; kind < 2; ++kind) {
    if (kind == 0) tcp_pair(pair);
    else unix_pair(SOCK_STREAM, pair);
    part *all[3];
    for (int i = 0; i < 3; ++i) all[i] = go(receive, &pair[0]);
    for (int i = 0; i < 3; ++i) await_blocked(all[i]);
    DO(close(pair[1]));
    for (int i = 0; i < 3; ++i) join(all[i]);
    MUST(close(pair[0]));
  }
}

SCENE(shutdown_while_another_sends) {
  for (int kind = 0; kind < 2; ++kind) {
    if (kind == 0) tcp_pair(pair);
    else unix_pair(SOCK_STREAM, pair);
    part *sender = go(send_much, &pair[0]);
    await_blocked(sender);
    DO(shutdown(pair[0], SHUT_WR));
    join(sender);
    close_both(pair);
  }
}

SCENE(peer_goes_while_another_sends) {
  unix_pair(SOCK_STREAM, pair);
  part *sender = go(send_much, &pair[0]);
  await_blocked(sender);
  DO(close(pair[1]));
  join(sender);
}

/* The kernel's threads go on waiting on the file that was open; what comes is theirs. */
SCENE(duplicate_keeps_it_open) {
  unix_pair(SOCK_STREAM, pair);
  int copy = (int)MUST(dup(pair[0]));
  part *receiver = go(receive, &copy);
  await_blocked(receiver);
  DO(close(pair[0]));
  tell(pair[1]);
  join(receiver);
  DO(recv(copy, &(char){0}, 1, MSG_DONTWAIT));
}

SCENE(duplicates_share_flags) {
  pipe_pair(pair);
  char c;
  const int copy = (int)MUST(dup(pair[0])), cloexec = (int)MUST(fcntl(pair[0], F_DUPFD_CLOEXEC, 100)),
            third = (int)MUST(dup3(pair[0], cloexec + 1, O_CLOEXEC));
  DO(dup2(pair[0], pair[0]) == pair[0] ? 0 : -1);
  DO(dup3(pair[0], pair[0], 0));
  DO(dup2(-1, 5));
  DO(dup2(pair[0], -1));
  DO(dup3(pair[0], 300, 1));
  DO(dup(12345));
  DO(fcntl(pair[0], F_DUPFD, -1));
  MUST(fcntl(copy, F_SETFL, O_NONBLOCK));
  say_flags("pipe", pair[0]);
  say_flags("copy", copy);
  say_flags("cloexec", cloexec);
  say_flags("third", third);
  DO(read(pair[0], &c, 1));
  DO(read(third, &c, 1));
  MUST(fcntl(cloexec, F_SETFL, 0));
  DO(fcntl(copy, F_GETFL));
  usleep(1000);
}

static void write_later(void *arg) {
  usleep(2000);
  AS("write", write(*(int *)arg, "w", 1));
}

/* A number that another file had before: what was known of that one must not be used. */
SCENE(reused_number) {
  int tcp[2];
  char c;
  tcp_pair(tcp);
  DO(recv(tcp[0], &c, 1, MSG_DONTWAIT));
  pipe_pair(pair);
  part *writer = go(write_later, &pair[1]);
  DO(dup2(pair[0], tcp[0]) == tcp[0] ? 0 : -1);
  DO(read(tcp[0], &c, 1));
  DO(recv(tcp[0], &c, 1, 0));
  join(writer);
  DO(close(tcp[0]));
  DO(close(tcp[0]));
  DO(read(tcp[0], &c, 1));
  const int fd = eventfd(0, EFD_NONBLOCK);
  DO(dup3(fd, tcp[0], O_CLOEXEC) == tcp[0] ? 0 : -1);
  DO(read(tcp[0], bytes(8, 0), 8));
  DO(close_range((unsigned)tcp[0], (unsigned)tcp[0], 0));
  DO(fcntl(tcp[0], F_GETFD));
  DO(close_range(10, 9, 0));
  DO(close_range(1000, 2000, CLOSE_RANGE_CLOEXEC));
  DO(close(-1));
}

static void poll_for_hangup(void *arg) {
  struct pollfd p = {*(int *)arg, POLLIN | POLLRDHUP, 0};
  AS("poll", poll(&p, 1, 100000));
  say("revents %x", (unsigned)p.revents);
}

SCENE(shutdown_seen_by_poll) {
  tcp_pair(pair);
  part *poller = go(poll_for_hangup, &pair[0]);
  await_blocked(poller);
  DO(shutdown(pair[1], SHUT_WR));
  join(poller);
  part *again = go(poll_for_hangup, &pair[1]);
  await_blocked(again);
  DO(shutdown(pair[0], SHUT_WR));
  join(again);
}

SCENE(pipe_ends) {
  char c;
  pipe_pair(pair);
  part *reader = go(receive, &pair[0]);
  join(reader);
  MUST(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
  part *poller = go(poll_for_hangup, &pair[0]);
  await_blocked(poller);
  DO(close(pair[1]));
  join(poller);
  DO(read(pair[0], &c, 1));
}
