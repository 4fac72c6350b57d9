/* Epoll sets of the program's own: level and edge triggered, one-shot, exclusive, nested, with masks and limits. */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "../scene.h"

#define GROUP "epolls"

static int set, pair[2], other[2];

static void watch(int fd, uint32_t events, uint64_t tag) {
  struct epoll_event e = {.events = events, .data.u64 = tag};
  MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e));
}

static long wait_and_say(const char *what, int most, int ms) {
  struct epoll_event events[8];
  memset(events, 0, sizeof events);
  const long n = AS(what, epoll_wait(set, events, most, ms));
  for (long i = 0; i < n; ++i) say("  %x of %lu", (unsigned)events[i].events, (unsigned long)events[i].data.u64);
  return n;
}

static void feed(void *arg) {
  (void)arg;
  for (int i = 0; i < 3; ++i) {
    hear(other[1]);
    DO(write(pair[1], "abc", 3));
  }
}

SCENE(level_triggered) {
  char buffer[8];
  unix_pair(SOCK_STREAM, pair);
  unix_pair(SOCK_STREAM, other);
  set = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
  watch(pair[0], EPOLLIN, 1);
  part *feeder = go(feed, NULL);
  wait_and_say("empty", 8, 0);
  wait_and_say("limit", 8, 5);
  for (int i = 0; i < 3; ++i) {
    tell(other[0]);
    wait_and_say("data", 8, -1);
    DO(read(pair[0], buffer, 1));
    wait_and_say("still data", 8, -1);
    DO(read(pair[0], buffer, 8));
    wait_and_say("no data", 8, 0);
  }
  join(feeder);
  MUST(close(pair[1]));
  wait_and_say("hang-up", 8, -1);
  wait_and_say("hang-up", 8, 100000);
}

SCENE(edge_triggered) {
  char buffer[8];
  unix_pair(SOCK_STREAM, pair);
  unix_pair(SOCK_STREAM, other);
  set = (int)MUST(epoll_create1(0));
  watch(pair[0], EPOLLIN | EPOLLET, 2);
  part *feeder = go(feed, NULL);
  tell(other[0]);
  wait_and_say("data", 8, -1);
  wait_and_say("told already", 8, 3);
  tell(other[0]);
  wait_and_say("more", 8, -1);
  DO(read(pair[0], buffer, 3));
  wait_and_say("part read", 8, 3);
  struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u64 = 3};
  DO(epoll_ctl(set, EPOLL_CTL_MOD, pair[0], &e));
  wait_and_say("modified", 8, -1);
  tell(other[0]);
  wait_and_say("again", 8, -1);
  join(feeder);
}

SCENE(one_shot) {
  unix_pair(SOCK_STREAM, pair);
  unix_pair(SOCK_STREAM, other);
  set = (int)MUST(epoll_create1(0));
  watch(pair[0], EPOLLIN | EPOLLONESHOT, 4);
  part *feeder = go(feed, NULL);
  tell(other[0]);
  wait_and_say("data", 8, -1);
  tell(other[0]);
  wait_and_say("shot", 8, 3);
  struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 5};
  DO(epoll_ctl(set, EPOLL_CTL_MOD, pair[0], &e));
  wait_and_say("armed", 8, -1);
  tell(other[0]);
  wait_and_say("shot", 8, 0);
  join(feeder);
}

static void wait_for_one(void *arg) {
  (void)arg;
  struct epoll_event e;
  char c;
  if (epoll_wait(set, &e, 1, -1) == 1) say("%lu", (unsigned long)e.data.u64);
  DO(read(pair[0], &c, 1));
}

SCENE(several_wait_on_one_set) {
  unix_pair(SOCK_STREAM, pair);
  set = (int)MUST(epoll_create1(0));
  watch(pair[0], EPOLLIN, 6);
  part *all[4];
  for (int i = 0; i < 4; ++i) all[i] = go(wait_for_one, NULL);
  for (int i = 0; i < 4; ++i) await_blocked(all[i]);
  for (int i = 0; i < 4; ++i) tell(pair[1]);
  for (int i = 0; i < 4; ++i) join(all[i]);
}

static void wait_exclusively(void *arg) {
  const int mine = (int)MUST(epoll_create1(0));
  struct epoll_event e = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = 9};
  MUST(epoll_ctl(mine, EPOLL_CTL_ADD, pair[0], &e));
  tell(*(int *)arg);
  AS("wait", epoll_wait(mine, &e, 1, -1));
  char c;
  AS("read", read(pair[0], &c, 1));
}

SCENE(exclusive) {
  unix_pair(SOCK_STREAM, pair);
  pipe_pair(other);
  part *all[3];
  for (int i = 0; i < 3; ++i) all[i] = go(wait_exclusively, &other[1]);
  for (int i = 0; i < 3; ++i) hear(other[0]);
  for (int i = 0; i < 3; ++i) await_blocked(all[i]);
  for (int i = 0; i < 3; ++i) tell(pair[1]);
  for (int i = 0; i < 3; ++i) join(all[i]);
  set = (int)MUST(epoll_create1(0));
  watch(pair[0], EPOLLIN | EPOLLEXCLUSIVE, 1);
  struct epoll_event e = {.events = EPOLLIN | EPOLLEXCLUSIVE};
  DO(epoll_ctl(set, EPOLL_CTL_MOD, pair[0], &e));
}

static void write_later(void *arg) {
  usleep(2000);
  tell(*(int *)arg);
}

SCENE(nested_sets) {
  pipe_pair(pair);
  const int inner = (int)MUST(epoll_create1(0));
  set = inner;
  watch(pair[0], EPOLLIN, 7);
  set = (int)MUST(epoll_create1(0));
  watch(inner, EPOLLIN, 8);
  part *writer = go(write_later, &pair[1]);
  wait_and_say("outer", 8, -1);
  set = inner;
  wait_and_say("inner", 8, -1);
  join(writer);
}

SCENE(pwait_forms) {
  pipe_pair(pair);
  set = (int)MUST(epoll_create1(0));
  watch(pair[0], EPOLLIN, 7);
  struct epoll_event e;
  sigset_t none;
  sigemptyset(&none);
  part *writer = go(write_later, &pair[1]);
  DO(epoll_pwait(set, &e, 1, -1, &none));
  DO(epoll_pwait(set, &e, 1, -1, NULL));
  struct timespec limit = {100, 0};
  DO(epoll_pwait2(set, &e, 1, &limit, &none));
  DO(epoll_pwait2(set, &e, 1, NULL, NULL));
  hear(pair[0]);
  limit = (struct timespec){0, 3 * MS};
  DO(epoll_pwait2(set, &e, 1, &limit, NULL));
  limit = (struct timespec){0, 0};
  DO(epoll_pwait2(set, &e, 1, &limit, &none));
  DO(epoll_pwait(set, &e, 1, 3, &none));
  limit = (struct timespec){0, -1};
  DO(epoll_pwait2(set, &e, 1, &limit, NULL));
  limit = (struct timespec){-1, 0};
  DO(epoll_pwait2(set, &e, 1, &limit, NULL));
  join(writer);
}

static void add_later(void *arg) {
  (void)arg;
  usleep(2000);
  watch(pair[0], EPOLLIN, 11);
}

SCENE(added_while_waiting) {
  pipe_pair(pair);
  tell(pair[1]);
  set = (int)MUST(epoll_create1(0));
  part *adder = go(add_later, NULL);
  wait_and_say("added", 8, -1);
  join(adder);
}

SCENE(many_events) {
  set = (int)MUST(epoll_create1(0));
  int fds[20];
  for (int i = 0; i < 20; ++i) {
    fds[i] = eventfd(1, 0);
    watch(fds[i], EPOLLIN | EPOLLET, (uint64_t)i);
  }
  struct epoll_event events[20];
  DO(epoll_wait(set, events, 8, -1));
  DO(epoll_wait(set, events, 8, -1));
  DO(epoll_wait(set, events, 8, -1));
  DO(epoll_wait(set, events, 8, 3));
}

QUIET_SCENE(epoll_errors) {
  struct epoll_event e = {.events = EPOLLIN};
  pipe_pair(pair);
  set = (int)MUST(epoll_create1(0));
  const int file = disk_file(1);
  DO(epoll_wait(-1, &e, 1, 0));
  DO(epoll_wait(pair[0], &e, 1, 10));
  DO(epoll_wait(set, &e, 0, 10));
  DO(epoll_wait(set, &e, -1, 10));
  DO(epoll_wait(set, &e, 1 << 29, 10));
  DO(epoll_wait(12345, &e, 1, 10));
  DO(epoll_pwait2(pair[0], &e, 1, NULL, NULL));
  DO(epoll_create(0));
  DO(epoll_create1(1));
  DO(epoll_ctl(set, EPOLL_CTL_ADD, file, &e));
  DO(epoll_ctl(set, EPOLL_CTL_ADD, set, &e));
  DO(epoll_ctl(set, EPOLL_CTL_ADD, -1, &e));
  DO(epoll_ctl(set, EPOLL_CTL_DEL, pair[0], &e));
  DO(epoll_ctl(set, EPOLL_CTL_ADD, pair[0], bad()));
  DO(epoll_ctl(set, 77, pair[0], &e));
  MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &e));
  DO(epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &e));
  tell(pair[1]);
  DO(epoll_wait(set, bad(), 1, 10));
  DO(epoll_wait(set, &e, 1, 10));
}
