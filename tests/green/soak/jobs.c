/* Jobs that hand something over: each waits for what a thread that it made must do, so a lost wake-up or a lost byte is a hang. */
#include "soak.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct turns {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int whose, rounds;
  sem_t go[2];
  int ends[2];
  atomic_int flag;
  pthread_barrier_t gate;
};

static void take_turns(struct turns* t, int me) {
  for (int n = 0; n < t->rounds; ++n) {
    must(pthread_mutex_lock(&t->lock), "pthread_mutex_lock");
    while (t->whose != me) must(pthread_cond_wait(&t->changed, &t->lock), "pthread_cond_wait");
    t->whose = 1 - me;
    must(pthread_cond_broadcast(&t->changed), "pthread_cond_broadcast");
    must(pthread_mutex_unlock(&t->lock), "pthread_mutex_unlock");
  }
}

static void* other_turn(void* t) {
  take_turns(t, 1);
  return t;
}

static void by_condition(struct worker* w) {
  struct turns t = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .rounds = 1 + (int)pick(w, 50)};
  pthread_t other;
  start(&other, other_turn, &t);
  take_turns(&t, 0);
  if (join(other) != &t) fail("a thread came back with another value", 0);
}

static void wait_for(sem_t* s) {
  while (sem_wait(s) != 0)
    if (errno != EINTR) fail("sem_wait", errno);
}

static void* other_semaphore(void* argument) {
  struct turns* t = argument;
  for (int n = 0; n < t->rounds; ++n) {
    wait_for(&t->go[1]);
    sem_post(&t->go[0]);
  }
  return NULL;
}

static void by_semaphore(struct worker* w) {
  struct turns t = {.rounds = 1 + (int)pick(w, 50)};
  sem_init(&t.go[0], 0, 0);
  sem_init(&t.go[1], 0, 0);
  pthread_t other;
  start(&other, other_semaphore, &t);
  for (int n = 0; n < t.rounds; ++n) {
    sem_post(&t.go[1]);
    wait_for(&t.go[0]);
  }
  join(other);
  sem_destroy(&t.go[0]);
  sem_destroy(&t.go[1]);
}

static void* echo(void* argument) {
  int fd = ((struct turns*)argument)->ends[1];
  char buffer[256];
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
    for (ssize_t done = 0; done < n;) {
      ssize_t sent = send(fd, buffer + done, (size_t)(n - done), MSG_NOSIGNAL);
      if (sent < 0) fail("send", errno);
      done += sent;
    }
  if (n < 0) fail("recv", errno);
  return NULL;
}

static void by_socket(struct worker* w) {
  struct turns t = {.rounds = 1 + (int)pick(w, 20)};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t.ends) != 0) fail("socketpair", errno);
  pthread_t other;
  start(&other, echo, &t);
  for (int n = 0; n < t.rounds; ++n) {
    char out[200], in[200];
    size_t size = 1 + pick(w, sizeof out), got = 0;
    memset(out, (int)pick(w, 256), size);
    if (send(t.ends[0], out, size, MSG_NOSIGNAL) != (ssize_t)size) fail("send", errno);
    while (got < size) {
      struct pollfd ready = {.fd = t.ends[0], .events = POLLIN};
      if (poll(&ready, 1, -1) < 0 && errno != EINTR) fail("poll", errno);
      ssize_t more = recv(t.ends[0], in + got, size - got, MSG_DONTWAIT);
      if (more < 0 && errno != EAGAIN && errno != EINTR) fail("recv", errno);
      if (more == 0) fail("the echo ended early", 0);
      if (more > 0) got += (size_t)more;
    }
    if (memcmp(in, out, size) != 0) fail("an echo differs from what was sent", (long)size);
    bytes_echoed += size;
  }
  shutdown(t.ends[0], SHUT_WR);
  join(other);
  close(t.ends[0]);
  close(t.ends[1]);
}

static void* set_flag(void* argument) {
  ((struct turns*)argument)->flag = 1;
  return NULL;
}

/* Nobody gives way: the other thread comes to run only when this one is interrupted. */
static void by_spinning(struct worker* w) {
  struct turns t = {.rounds = (int)pick(w, 2)};
  pthread_t other;
  start(&other, set_flag, &t);
  while (!t.flag) {
  }
  join(other);
}

static void* at_gate(void* argument) {
  struct turns* t = argument;
  for (int n = 0; n < t->rounds; ++n) pthread_barrier_wait(&t->gate);
  return NULL;
}

static void by_barrier(struct worker* w) {
  enum { others = 3 };
  struct turns t = {.rounds = 1 + (int)pick(w, 10)};
  pthread_barrier_init(&t.gate, NULL, others + 1);
  pthread_t team[others];
  for (int i = 0; i < others; ++i) start(&team[i], at_gate, &t);
  at_gate(&t);
  for (int i = 0; i < others; ++i) join(team[i]);
  pthread_barrier_destroy(&t.gate);
}

static void* post_and_end(void* s) {
  sem_post(s);
  return NULL;
}

static void many_short_lived(struct worker* w) {
  enum { most = 20 };
  /* Posted to by detached threads: it must outlive them all. */
  sem_t* over = malloc(sizeof *over);
  pthread_t joined[most];
  unsigned count = 1 + pick(w, most), detached = 0;
  if (over == NULL) fail("malloc", errno);
  sem_init(over, 0, 0);
  for (unsigned i = 0; i < count; ++i) {
    pthread_t thread;
    start(&thread, post_and_end, over);
    if (pick(w, 2) == 0) {
      must(pthread_detach(thread), "pthread_detach");
      ++detached;
    } else {
      joined[i - detached] = thread;
    }
  }
  for (unsigned i = 0; i < count; ++i) wait_for(over);
  for (unsigned i = 0; i < count - detached; ++i) join(joined[i]);
  if (detached == 0) {
    sem_destroy(over);
    free(over);
    return;
  }
  /* The last post may still be on its way out of the semaphore. */
  for (int i = 0; i < 100; ++i) sched_yield();
  const struct timespec moment = {.tv_nsec = 2000000};
  nanosleep(&moment, NULL);
  sem_destroy(over);
  free(over);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleeping(struct worker* w) {
  struct timespec left = {.tv_nsec = (long)pick(w, 2000000)};
  const int64_t until = now() + left.tv_nsec;
  while (nanosleep(&left, &left) != 0)
    if (errno != EINTR) fail("nanosleep", errno);
  if (now() < until) fail("a sleep ended early by ns:", (long)(until - now()));
}

static void timed_waits(struct worker* w) {
  sem_t never;
  struct timespec until;
  sem_init(&never, 0, 0);
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += pick(w, 2000000);
  if (until.tv_nsec >= 1000000000) ++until.tv_sec, until.tv_nsec -= 1000000000;
  int r;
  while ((r = sem_timedwait(&never, &until)) != 0 && errno == EINTR) {
  }
  if (r == 0 || errno != ETIMEDOUT) fail("sem_timedwait", errno);
  sem_destroy(&never);
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t nobody = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&lock);
  while ((r = pthread_cond_timedwait(&nobody, &lock, &until)) == 0) {
  }
  if (r != ETIMEDOUT) fail("pthread_cond_timedwait", r);
  pthread_mutex_unlock(&lock);
}

static void memory(struct worker* w) {
  enum { blocks = 30 };
  unsigned char* held[blocks];
  size_t size[blocks];
  for (int i = 0; i < blocks; ++i) {
    size[i] = 1 + pick(w, 5000);
    held[i] = malloc(size[i]);
    if (held[i] == NULL) fail("malloc", errno);
    memset(held[i], i, size[i]);
  }
  for (int i = 0; i < blocks; ++i) {
    for (size_t k = 0; k < size[i]; ++k)
      if (held[i][k] != i) fail("memory of one thread was written by another", i);
    free(held[i]);
  }
}

const struct job jobs[] = {
    {"condition", by_condition}, {"semaphore", by_semaphore}, {"socket", by_socket},     {"spinning", by_spinning}, {"barrier", by_barrier},
    {"short-lived", many_short_lived}, {"sleep", sleeping},   {"timed waits", timed_waits}, {"memory", memory},
};
const unsigned job_count = sizeof jobs / sizeof *jobs;
