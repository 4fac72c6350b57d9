/* Locks in memory that processes share: each has threads, and each knows the others' only by what stands in the lock. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "sharing"

static struct shared {
  pthread_mutex_t lock[3];
  int counted;
} *shared;
static int to_child[2], to_parent[2];

static void make_locks(int type, int robust, int protocol) {
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t kind;
  OK(pthread_mutexattr_init(&kind));
  OK(pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED));
  OK(pthread_mutexattr_settype(&kind, type));
  OK(pthread_mutexattr_setrobust(&kind, robust));
  OK(pthread_mutexattr_setprotocol(&kind, protocol));
  for (int i = 0; i < 3; ++i) OK(pthread_mutex_init(&shared->lock[i], &kind));
  pipe_pair(to_child);
  pipe_pair(to_parent);
}

/* -- whose it is */

static void *hold_while_asked(void *arg) {
  OK(pthread_mutex_lock(&shared->lock[0]));
  tell(to_child[1]);
  hear(to_parent[0]);
  OK(pthread_mutex_unlock(&shared->lock[0]));
  return arg;
}

static void *ask_for_it(void *arg) {
  hear(to_child[0]);
  DO_ERROR(pthread_mutex_trylock(&shared->lock[0]));
  DO_ERROR(pthread_mutex_unlock(&shared->lock[0]));
  tell(to_parent[1]);
  return arg;
}

/* Both processes' first threads: each the other one's twin. */
static void ask_in_a_child(int type) {
  make_locks(type, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
  const pid_t child = fork();
  if (child == 0) {
    finish(start(ask_for_it, NULL));
    _exit(0);
  }
  finish(start(hold_while_asked, NULL));
  int status = 0;
  MUST(waitpid(child, &status, 0));
  say("status %d", status);
}

PLAY(a_recursive_lock_of_another_process) { ask_in_a_child(PTHREAD_MUTEX_RECURSIVE); }
PLAY(a_checked_lock_of_another_process) { ask_in_a_child(PTHREAD_MUTEX_ERRORCHECK); }

/* -- exec */

static void *lock_and_stay(void *arg) {
  OK(pthread_mutex_lock(arg));
  tell(to_child[1]);
  for (;;) pause();
  return arg;
}

static void *execute(void *arg) {
  execl("/nowhere", "nothing", (char *)NULL);
  say("execl: %s", error_name(errno));
  for (int i = 0; i < 2; ++i) AS("trylock", pthread_mutex_trylock(&shared->lock[i]));
  MUST(dup2(to_child[0], 0));
  close_both(to_child);
  close_both(to_parent);
  execl("/bin/cat", "cat", (char *)NULL);
  return arg;
}

PLAY(robust_locks_of_a_process_that_executes_another) {
  make_locks(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
  const pid_t child = fork();
  if (child == 0) {
    OK(pthread_mutex_lock(&shared->lock[2]));
    for (int i = 0; i < 2; ++i) {
      start(lock_and_stay, &shared->lock[i]);
      hear(to_child[0]);
    }
    tell(to_parent[1]);
    start(execute, NULL);
    for (;;) pause();
  }
  hear(to_parent[0]);
  for (int i = 0; i < 3; ++i) {
    DO_ERROR(pthread_mutex_lock(&shared->lock[i]));
    OK(pthread_mutex_consistent(&shared->lock[i]));
  }
  close_both(to_child); /* which ends cat */
  int status = 0;
  MUST(waitpid(child, &status, 0));
  say("status %d", status);
}

/* -- signals */

static void *lock_and_fault(void *arg) {
  OK(pthread_mutex_lock(arg));
  tell(to_parent[1]);
  hear(to_child[0]);
  *(volatile int *)bad() = 1;
  return arg;
}

static void killed_with_locks(void *(*last)(void *), int sig) {
  make_locks(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
  const pid_t child = fork();
  if (child == 0) {
    const struct rlimit none = {0, 0};
    MUST(setrlimit(RLIMIT_CORE, &none));
    start(lock_and_stay, &shared->lock[0]);
    hear(to_child[0]);
    start(last, &shared->lock[1]);
    for (;;) pause();
  }
  hear(to_parent[0]);
  DO_ERROR(pthread_mutex_trylock(&shared->lock[0]));
  if (sig != 0) MUST(kill(child, sig));
  else tell(to_child[1]);
  for (int i = 0; i < 2; ++i) DO_ERROR(pthread_mutex_lock(&shared->lock[i]));
  int status = 0;
  MUST(waitpid(child, &status, 0));
  say("status %d", status);
}

static void *lock_and_compute(void *arg) {
  OK(pthread_mutex_lock(arg));
  tell(to_parent[1]);
  for (;;) compute(1);
  return arg;
}

PLAY(robust_locks_of_a_process_that_is_terminated) { killed_with_locks(lock_and_compute, SIGTERM); }
PLAY(robust_locks_of_a_process_that_faults) { killed_with_locks(lock_and_fault, 0); }

/* -- priority inheritance */

static void *count(void *arg) {
  for (int i = 0; i < 50; ++i) {
    OK(pthread_mutex_lock(&shared->lock[0]));
    const int seen = shared->counted;
    if (i % 10 == 0) sched_yield();
    shared->counted = seen + 1;
    OK(pthread_mutex_unlock(&shared->lock[0]));
  }
  return arg;
}

static void *lock_and_leave(void *arg) {
  OK(pthread_mutex_lock(&shared->lock[1]));
  tell(to_parent[1]);
  hear(to_child[0]);
  return arg;
}

PLAY(a_lock_with_priority_inheritance_between_processes) {
  make_locks(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT);
  const pid_t child = fork();
  pthread_t counters[2];
  for (int i = 0; i < 2; ++i) counters[i] = start(count, NULL);
  for (int i = 0; i < 2; ++i) finish(counters[i]);
  if (child == 0) {
    finish(start(lock_and_leave, NULL));
    _exit(0);
  }
  hear(to_parent[0]);
  DO_ERROR(pthread_mutex_trylock(&shared->lock[1]));
  tell(to_child[1]);
  DO_ERROR(pthread_mutex_lock(&shared->lock[1]));
  MUST(waitpid(child, NULL, 0));
  say("counted %d", shared->counted);
}
