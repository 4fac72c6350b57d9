/* Calls that a thread waits in, each until something happens that does not: what groups of scenes do to such a thread is theirs. */
#ifndef WEFT_TESTS_GREEN_CALLS_H
#define WEFT_TESTS_GREEN_CALLS_H

#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>

#include "green.h"

static int pair[2], full[2];
static sem_t semaphore;
static char data[65536];

static inline void in_read(void) { char c; QUIETLY(read(pair[0], &c, 1)); }
static inline void in_recv(void) { char c; recv(pair[0], &c, 1, 0); }
static inline void in_poll(void) { struct pollfd p = {pair[0], POLLIN, 0}; poll(&p, 1, -1); }
static inline void in_select(void) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pair[0], &set);
  select(pair[0] + 1, &set, NULL, NULL, NULL);
}
static inline void in_epoll(void) {
  struct epoll_event e = {.events = EPOLLIN};
  const int set = epoll_create1(0);
  epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &e);
  epoll_wait(set, &e, 1, -1);
}
static inline void in_pause(void) { pause(); }
static inline void in_sigsuspend(void) { sigset_t none; sigemptyset(&none); sigsuspend(&none); }
static inline void in_sem_wait(void) { sem_wait(&semaphore); }
static inline void in_waitpid(void) { waitpid(-1, NULL, 0); }
static inline void in_write(void) { for (;;) QUIETLY(write(full[1], data, sizeof data)); }

#endif
