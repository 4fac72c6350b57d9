/* poll, ppoll, select and pselect. */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>

#include "../scene.h"

#define GROUP "polls"

static int one[2], two[2];

static void write_late_to(void *arg) {
  usleep(2000);
  tell(*(int *)arg);
}

static void help_poll(void *arg) {
  (void)arg;
  hear(one[1]);
  tell(two[1]);
  hear(one[1]);
  DO(close(one[1]));
}

SCENE(poll_forms) {
  unix_pair(SOCK_STREAM, one);
  unix_pair(SOCK_STREAM, two);
  part *other = go(help_poll, NULL);
  struct pollfd fds[3] = {{one[0], POLLIN, 0}, {-1, POLLIN, 7}, {two[0], POLLIN | POLLOUT, 0}};
  DO(poll(fds, 3, -1));
  say("revents %x %x %x", (unsigned)fds[0].revents, (unsigned)fds[1].revents, (unsigned)fds[2].revents);
  fds[2].events = POLLIN;
  DO(poll(fds, 3, 0));
  DO(poll(fds, 3, 10));
  tell(one[0]);
  DO(poll(fds, 3, -1));
  say("revents %x", (unsigned)fds[2].revents);
  DO(poll(fds, 0, 2));
  DO(poll(NULL, 0, 2));
  fds[1].fd = 12345;
  DO(poll(fds, 3, -1));
  say("revents %x", (unsigned)fds[1].revents);
  DO(poll(bad(), 2, 100));
  struct pollfd *volatile hidden = fds; /* from the fortified poll, which would stop the program */
  DO(poll(hidden, 100000000, 100));
  struct timespec limit = {0, 5 * MS};
  DO(ppoll(fds, 1, &limit, NULL));
  limit.tv_nsec = -1;
  DO(ppoll(fds, 1, &limit, NULL));
  limit.tv_nsec = 0;
  DO(ppoll(fds, 1, &limit, NULL));
  fds[0].events = 0;
  tell(one[0]);
  DO(poll(fds, 1, -1));
  say("revents %x", (unsigned)fds[0].revents);
  join(other);
  const int file = disk_file(1);
  struct pollfd disk = {file, POLLIN | POLLOUT | POLLPRI, 0};
  DO(poll(&disk, 1, -1));
  say("revents %x", (unsigned)disk.revents);
  /* The same descriptor twice. */
  struct pollfd twice[2] = {{two[0], POLLIN, 0}, {two[0], POLLOUT, 0}};
  DO(poll(twice, 2, -1));
  say("revents %x %x", (unsigned)twice[0].revents, (unsigned)twice[1].revents);
}

static void poll_out(void *arg) {
  (void)arg;
  struct pollfd p = {one[0], POLLOUT | POLLWRNORM, 0};
  DO(poll(&p, 1, 100000));
  say("revents %x", (unsigned)p.revents);
}

SCENE(poll_for_room) {
  unix_pair(SOCK_STREAM, one);
  MUST(fcntl(one[0], F_SETFL, O_NONBLOCK));
  char *data = bytes(1u << 20, 'd');
  while (write(one[0], data, 1u << 20) > 0) {
  }
  part *waits = go(poll_out, NULL);
  await_blocked(waits);
  MUST(fcntl(one[1], F_SETFL, O_NONBLOCK));
  while (read(one[1], data, 1u << 20) > 0) {
  }
  join(waits);
}

static void poll_in(void *arg) {
  (void)arg;
  struct pollfd p = {one[0], POLLIN, 0};
  AS("poll", poll(&p, 1, 100000));
}

SCENE(many_poll_one) {
  unix_pair(SOCK_STREAM, one);
  part *all[20];
  for (int i = 0; i < 20; ++i) all[i] = go(poll_in, NULL);
  for (int i = 0; i < 20; ++i) await_blocked(all[i]);
  tell(one[1]);
  for (int i = 0; i < 20; ++i) join(all[i]);
}

SCENE(poll_many) {
  enum { count = 300 };
  struct pollfd fds[count];
  int ends[count][2];
  struct rlimit most;
  MUST(getrlimit(RLIMIT_NOFILE, &most));
  most.rlim_cur = most.rlim_max < 2000 ? most.rlim_max : 2000;
  MUST(setrlimit(RLIMIT_NOFILE, &most));
  for (int i = 0; i < count; ++i) {
    pipe_pair(ends[i]);
    fds[i] = (struct pollfd){ends[i][0], POLLIN, 0};
  }
  part *writer = go(write_late_to, &ends[250][1]);
  DO(poll(fds, count, -1));
  say("revents %x", (unsigned)fds[250].revents);
  join(writer);
}

static void help_select(void *arg) {
  (void)arg;
  hear(one[1]);
  tell(two[1]);
}

SCENE(select_forms) {
  unix_pair(SOCK_STREAM, one);
  unix_pair(SOCK_STREAM, two);
  part *other = go(help_select, NULL);
  const int top = (one[0] > two[0] ? one[0] : two[0]) + 1;
  fd_set in, out, except;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_ZERO(&except);
  FD_SET(one[0], &in);
  FD_SET(two[0], &in);
  FD_SET(two[0], &except);
  tell(one[0]);
  DO(select(top, &in, NULL, &except, NULL));
  say("%d %d %d", FD_ISSET(one[0], &in) != 0, FD_ISSET(two[0], &in) != 0, FD_ISSET(two[0], &except) != 0);
  FD_SET(one[0], &in);
  FD_SET(one[0], &out);
  DO(select(top, &in, &out, NULL, NULL));
  say("%d %d %d", FD_ISSET(one[0], &in) != 0, FD_ISSET(two[0], &in) != 0, FD_ISSET(one[0], &out) != 0);
  FD_ZERO(&in);
  FD_SET(one[0], &in);
  struct timeval limit = {0, 10000};
  DO(select(top, &in, NULL, NULL, &limit));
  say("%ld %ld left, %d", (long)limit.tv_sec, (long)limit.tv_usec, FD_ISSET(one[0], &in) != 0);
  FD_SET(two[0], &in);
  limit = (struct timeval){100, 0};
  DO(select(top, &in, NULL, NULL, &limit));
  say(limit.tv_sec >= 60 ? "nearly all left" : "little left");
  const struct timespec longer = {5, 0};
  FD_SET(one[0], &in);
  DO(pselect(top, &in, NULL, NULL, &longer, NULL));
  say("%ld", (long)longer.tv_sec);
  limit = (struct timeval){0, 1000};
  DO(select(0, NULL, NULL, NULL, &limit));
  limit = (struct timeval){0, 0};
  DO(select(0, NULL, NULL, NULL, &limit));
  limit = (struct timeval){-1, 0};
  DO(select(0, NULL, NULL, NULL, &limit));
  DO(select(-1, &in, NULL, NULL, NULL));
  DO(select(top, bad(), NULL, NULL, NULL));
  DO(syscall(SYS_select, top, NULL, NULL, NULL, bad()));
  const struct timespec wrong = {0, -1};
  DO(pselect(top, &in, NULL, NULL, &wrong, NULL));
  DO(syscall(SYS_pselect6, top, &in, NULL, NULL, bad(), NULL));
  const int was_open = (int)MUST(dup(one[0]));
  MUST(close(was_open));
  FD_ZERO(&in);
  FD_SET(was_open, &in);
  DO(select(was_open + 1, &in, NULL, NULL, NULL));
  join(other);
}

/* More descriptors than an fd_set has room for: the kernel takes any number of bits. */
SCENE(select_beyond_1024) {
  struct rlimit most;
  MUST(getrlimit(RLIMIT_NOFILE, &most));
  if (most.rlim_max < 1300) {
    say("no such descriptors here");
    return;
  }
  most.rlim_cur = most.rlim_max < 2000 ? most.rlim_max : 2000;
  MUST(setrlimit(RLIMIT_NOFILE, &most));
  pipe_pair(one);
  const int high = (int)MUST(fcntl(one[0], F_DUPFD, 1200));
  unsigned long *bits = (unsigned long *)bytes(256, 0);
  bits[high / 64] |= 1ul << (high % 64);
  part *writer = go(write_late_to, &one[1]);
  struct timeval limit = {100, 0};
  DO(syscall(SYS_select, high + 1, bits, NULL, NULL, &limit));
  say("%d", (bits[high / 64] >> (high % 64) & 1) != 0);
  join(writer);
}
