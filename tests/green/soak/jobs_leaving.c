/* Jobs of signals, cancellation and processes: what reaches a thread from outside, and ways to end that are no return. */
#include "soak.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum kind { in_read, in_semaphore, in_condition, in_sleep, in_poll, kinds };

struct victim {
  enum kind kind;
  int pipe[2];
  sem_t ready, never;
  pthread_mutex_t lock;
  pthread_cond_t nobody;
  int cleaned;
};

static void clean(void* victim) { ((struct victim*)victim)->cleaned = 1; }
static void unlock(void* lock) { pthread_mutex_unlock(lock); }

static void wait_for_ever(struct victim* v) {
  char byte;
  const struct timespec long_time = {.tv_sec = 3600};
  struct pollfd nothing = {.fd = v->pipe[0], .events = POLLIN};
  for (;;) switch (v->kind) {
      case in_read: (void)!read(v->pipe[0], &byte, 1); break;
      case in_semaphore: sem_wait(&v->never); break;
      case in_condition:
        pthread_mutex_lock(&v->lock);
        pthread_cleanup_push(unlock, &v->lock);
        pthread_cond_wait(&v->nobody, &v->lock);
        pthread_cleanup_pop(1);
        break;
      case in_sleep: nanosleep(&long_time, NULL); break;
      default: poll(&nothing, 1, -1); break;
    }
}

static void* to_be_cancelled(void* argument) {
  struct victim* v = argument;
  pthread_cleanup_push(clean, v);
  sem_post(&v->ready);
  wait_for_ever(v);
  pthread_cleanup_pop(0);
  return NULL;
}

static void cancelling(struct worker* w) {
  struct victim v = {.kind = pick(w, kinds), .lock = PTHREAD_MUTEX_INITIALIZER, .nobody = PTHREAD_COND_INITIALIZER};
  if (pipe(v.pipe) != 0) fail("pipe", errno);
  sem_init(&v.ready, 0, 0);
  sem_init(&v.never, 0, 0);
  pthread_t thread;
  start(&thread, to_be_cancelled, &v);
  while (sem_wait(&v.ready) != 0) {
  }
  if (pick(w, 2) == 0) {
    const struct timespec moment = {.tv_nsec = (long)pick(w, 300000)};
    nanosleep(&moment, NULL);
  }
  must(pthread_cancel(thread), "pthread_cancel");
  if (join(thread) != PTHREAD_CANCELED) fail("a cancelled thread came back with a value", v.kind);
  if (!v.cleaned) fail("a cancelled thread did not clean up", v.kind);
  if (pthread_mutex_trylock(&v.lock) != 0) fail("a cancelled thread left its mutex locked", v.kind);
  pthread_mutex_unlock(&v.lock);
  close(v.pipe[0]);
  close(v.pipe[1]);
  ++threads_cancelled;
}

/* Real-time signals queue: every one that was taken on must be handled. */
static void signalling(struct worker* w) {
  for (unsigned n = 1 + pick(w, 5); n > 0; --n) {
    const int error = pthread_sigqueue(somebody(w), SIGRTMIN + 3, (union sigval){.sival_int = (int)n});
    if (error == EAGAIN) break; /* as many are queued as may be */
    must(error, "pthread_sigqueue");
    ++signals_sent;
  }
}

static void* leave(void* value) {
  pthread_exit(value);
}

static void exiting(struct worker* w) {
  pthread_t thread;
  start(&thread, leave, w);
  if (join(thread) != w) fail("pthread_exit's value was lost", 0);
}

static void* nothing(void* argument) { return argument; }

static void forking(struct worker* w) {
  static sem_t* allowed; /* a few at a time */
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  extern void make_fork_limit(void);
  extern sem_t fork_limit;
  pthread_once(&once, make_fork_limit);
  allowed = &fork_limit;
  const int with_thread = (int)pick(w, 2);
  while (sem_wait(allowed) != 0) {
  }
  const pid_t child = fork();
  if (child < 0) fail("fork", errno);
  if (child == 0) {
    if (with_thread) {
      pthread_t thread;
      if (pthread_create(&thread, NULL, nothing, w) != 0 || pthread_join(thread, NULL) != 0) _exit(8);
    }
    _exit(7);
  }
  int status;
  pid_t got;
  while ((got = waitpid(child, &status, 0)) < 0 && errno == EINTR) {
  }
  if (got != child) fail("waitpid", errno);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) fail("a forked child ended with wait status", status);
  sem_post(allowed);
  ++forks_made;
}

sem_t fork_limit;
void make_fork_limit(void) { sem_init(&fork_limit, 0, 2); }

const struct job jobs_leaving[] = {
    {"cancellation", cancelling},
    {"signals", signalling},
    {"pthread_exit", exiting},
    {"fork", forking},
};
const unsigned job_leaving_count = sizeof jobs_leaving / sizeof *jobs_leaving;
