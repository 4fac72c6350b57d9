/* Mutexes of every kind, rwlocks, barriers, spin locks. */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "mutexes"

static pthread_mutex_t mutex;
static long plain_count;

static void make(int type, int protocol, int robust, int shared) {
  pthread_mutexattr_t attr;
  OK(pthread_mutexattr_init(&attr));
  OK(pthread_mutexattr_settype(&attr, type));
  OK(pthread_mutexattr_setprotocol(&attr, protocol));
  OK(pthread_mutexattr_setrobust(&attr, robust));
  OK(pthread_mutexattr_setpshared(&attr, shared));
  OK(pthread_mutex_init(&mutex, &attr));
}

static void *try_it(void *arg) {
  DO_ERROR(pthread_mutex_trylock(&mutex));
  struct timespec at = from_now(CLOCK_REALTIME, 2 * MS);
  DO_ERROR(pthread_mutex_timedlock(&mutex, &at));
  at = from_now(CLOCK_MONOTONIC, 2 * MS);
  const int error = pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &at);
  say("clocklock = %s", error == 0 ? "0" : error_name(error));
  DO_ERROR(pthread_mutex_unlock(&mutex));
  return arg;
}

static void *lock_it(void *arg) {
  DO_ERROR(pthread_mutex_lock(&mutex));
  DO_ERROR(pthread_mutex_unlock(&mutex));
  return arg;
}

static void *add_often(void *arg) {
  for (int i = 0; i < 300; ++i) {
    OK(pthread_mutex_lock(&mutex));
    const long before = plain_count;
    if (i % 16 == 0) sched_yield();
    plain_count = before + 1;
    OK(pthread_mutex_unlock(&mutex));
  }
  return arg;
}

static void play_kind(const char *name, int type, int protocol, int robust, int shared) {
  say("-- %s", name);
  make(type, protocol, robust, shared);
  DO_ERROR(pthread_mutex_lock(&mutex));
  if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK) {
    const int again = pthread_mutex_lock(&mutex);
    say("again = %s", again == 0 ? "0" : error_name(again));
    if (again == 0) OK(pthread_mutex_unlock(&mutex));
  }
  DO_ERROR(pthread_mutex_trylock(&mutex));
  if (type == PTHREAD_MUTEX_RECURSIVE) OK(pthread_mutex_unlock(&mutex));
  if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK) finish(start(try_it, NULL));
  pthread_t t = start(lock_it, NULL);
  let_block(t);
  OK(pthread_mutex_unlock(&mutex));
  finish(t);
  if (type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK) DO_ERROR(pthread_mutex_unlock(&mutex));
  pthread_t all[6];
  plain_count = 0;
  for (int i = 0; i < 6; ++i) all[i] = start(add_often, NULL);
  for (int i = 0; i < 6; ++i) finish(all[i]);
  say("%ld", plain_count);
  DO_ERROR(pthread_mutex_destroy(&mutex));
}

#define KIND(type, protocol, robust, shared) \
  play_kind(#type " " #protocol " " #robust " " #shared, PTHREAD_MUTEX_##type, PTHREAD_PRIO_##protocol, PTHREAD_MUTEX_##robust, \
            PTHREAD_PROCESS_##shared)

PLAY(ordinary_mutexes) {
  KIND(NORMAL, NONE, STALLED, PRIVATE);
  KIND(RECURSIVE, NONE, STALLED, PRIVATE);
  KIND(ERRORCHECK, NONE, STALLED, PRIVATE);
  KIND(ADAPTIVE_NP, NONE, STALLED, PRIVATE);
}

PLAY(shared_mutexes) {
  KIND(NORMAL, NONE, STALLED, SHARED);
  KIND(RECURSIVE, NONE, STALLED, SHARED);
  KIND(ERRORCHECK, NONE, STALLED, SHARED);
}

PLAY(mutexes_that_inherit_priority) {
  KIND(NORMAL, INHERIT, STALLED, PRIVATE);
  KIND(RECURSIVE, INHERIT, STALLED, PRIVATE);
  KIND(ERRORCHECK, INHERIT, STALLED, PRIVATE);
}

PLAY(robust_mutexes) {
  KIND(NORMAL, NONE, ROBUST, PRIVATE);
  KIND(RECURSIVE, NONE, ROBUST, PRIVATE);
  KIND(ERRORCHECK, NONE, ROBUST, SHARED);
}

PLAY(robust_mutexes_that_inherit_priority) {
  KIND(NORMAL, INHERIT, ROBUST, PRIVATE);
  KIND(ERRORCHECK, INHERIT, ROBUST, PRIVATE);
}

/* -- the owner dies */

static void *die_with_it(void *arg) {
  OK(pthread_mutex_lock(&mutex));
  return arg;
}

static void *wait_for_the_dead(void *arg) {
  const int error = pthread_mutex_lock(&mutex);
  say("the waiter: %s", error == 0 ? "0" : error_name(error));
  if (error == EOWNERDEAD && arg != NULL) DO_ERROR(pthread_mutex_consistent(&mutex));
  if (error != ENOTRECOVERABLE) DO_ERROR(pthread_mutex_unlock(&mutex));
  return NULL;
}

static void *die_later(void *arg) {
  OK(pthread_mutex_lock(&mutex));
  tell(((int *)arg)[1]);
  usleep(3000);
  return arg;
}

static void play_death(const char *name, int protocol, int shared) {
  int said[2];
  pipe_pair(said);
  say("-- %s", name);
  make(PTHREAD_MUTEX_NORMAL, protocol, PTHREAD_MUTEX_ROBUST, shared);
  finish(start(die_with_it, NULL));
  DO_ERROR(pthread_mutex_lock(&mutex));
  DO_ERROR(pthread_mutex_consistent(&mutex));
  DO_ERROR(pthread_mutex_unlock(&mutex));
  DO_ERROR(pthread_mutex_consistent(&mutex));
  pthread_t dying = start(die_later, said);
  hear(said[0]);
  pthread_t waiter = start(wait_for_the_dead, &mutex);
  finish(waiter);
  finish(dying);
  /* Not made consistent: of no use to anybody any more. */
  finish(start(die_with_it, NULL));
  finish(start(wait_for_the_dead, NULL));
  DO_ERROR(pthread_mutex_lock(&mutex));
  DO_ERROR(pthread_mutex_trylock(&mutex));
  DO_ERROR(pthread_mutex_destroy(&mutex));
}

PLAY(death_of_an_owner) { play_death("private", PTHREAD_PRIO_NONE, PTHREAD_PROCESS_PRIVATE); }
PLAY(death_of_an_owner_of_a_shared_one) { play_death("shared", PTHREAD_PRIO_NONE, PTHREAD_PROCESS_SHARED); }
PLAY(death_of_an_owner_that_inherits_priority) { play_death("PI", PTHREAD_PRIO_INHERIT, PTHREAD_PROCESS_PRIVATE); }

static void *die_with_several(void *arg) {
  pthread_mutex_t *all = arg;
  for (int i = 0; i < 5; ++i) OK(pthread_mutex_lock(&all[i]));
  OK(pthread_mutex_unlock(&all[2]));
  pthread_exit(NULL);
}

PLAY(death_with_several) {
  pthread_mutex_t all[5];
  pthread_mutexattr_t attr;
  OK(pthread_mutexattr_init(&attr));
  OK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
  for (int i = 0; i < 5; ++i) OK(pthread_mutex_init(&all[i], &attr));
  finish(start(die_with_several, all));
  for (int i = 0; i < 5; ++i) {
    const int error = pthread_mutex_lock(&all[i]);
    say("%d: %s", i, error == 0 ? "0" : error_name(error));
  }
}

/* -- between processes */

struct shared {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  pthread_barrier_t barrier;
  pthread_rwlock_t rwlock;
  long count, turn;
};

static struct shared *shared_memory(void) {
  struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t m;
  pthread_condattr_t c;
  pthread_barrierattr_t b;
  pthread_rwlockattr_t r;
  OK(pthread_mutexattr_init(&m));
  OK(pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED));
  OK(pthread_mutex_init(&s->mutex, &m));
  OK(pthread_condattr_init(&c));
  OK(pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED));
  OK(pthread_cond_init(&s->condition, &c));
  OK(pthread_barrierattr_init(&b));
  OK(pthread_barrierattr_setpshared(&b, PTHREAD_PROCESS_SHARED));
  OK(pthread_barrier_init(&s->barrier, &b, 4));
  OK(pthread_rwlockattr_init(&r));
  OK(pthread_rwlockattr_setpshared(&r, PTHREAD_PROCESS_SHARED));
  OK(pthread_rwlock_init(&s->rwlock, &r));
  return s;
}

static void *add_shared(void *arg) {
  struct shared *s = arg;
  for (int i = 0; i < 200; ++i) {
    OK(pthread_mutex_lock(&s->mutex));
    const long before = s->count;
    if (i % 32 == 0) sched_yield();
    s->count = before + 1;
    OK(pthread_mutex_unlock(&s->mutex));
  }
  return NULL;
}

static void await_child(pid_t child) {
  int status;
  MUST(waitpid(child, &status, 0));
  say("child: %s %d", WIFEXITED(status) ? "exit" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

PLAY(a_mutex_between_processes) {
  struct shared *s = shared_memory();
  const pid_t child = fork();
  pthread_t all[2];
  for (int i = 0; i < 2; ++i) all[i] = start(add_shared, s);
  for (int i = 0; i < 2; ++i) finish(all[i]);
  if (child == 0) _exit(0);
  await_child(child);
  say("%ld", s->count);
}

static struct shared *between;

static void *take_turns(void *arg) {
  const long who = (long)arg;
  for (int i = 0; i < 50; ++i) {
    OK(pthread_mutex_lock(&between->mutex));
    while (between->turn % 4 != who) OK(pthread_cond_wait(&between->condition, &between->mutex));
    ++between->turn;
    OK(pthread_cond_broadcast(&between->condition));
    OK(pthread_mutex_unlock(&between->mutex));
  }
  return NULL;
}

PLAY(turns_between_threads_of_two_processes) {
  between = shared_memory();
  const pid_t child = fork();
  const long first = child == 0 ? 0 : 2;
  pthread_t a = start(take_turns, (void *)first), b = start(take_turns, (void *)(first + 1));
  finish(a);
  finish(b);
  if (child == 0) _exit(0);
  await_child(child);
  say("%ld", between->turn);
}

static void *meet_shared(void *arg) {
  long serial = 0;
  for (int i = 0; i < 20; ++i) serial += pthread_barrier_wait(&between->barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
  __atomic_fetch_add(&between->count, serial, __ATOMIC_SEQ_CST);
  return arg;
}

PLAY(a_barrier_between_processes) {
  between = shared_memory();
  const pid_t child = fork();
  pthread_t a = start(meet_shared, NULL), b = start(meet_shared, NULL);
  finish(a);
  finish(b);
  if (child == 0) _exit(0);
  await_child(child);
  say("%ld", between->count);
}

PLAY(an_rwlock_between_processes) {
  have_company();
  between = shared_memory();
  int said[2];
  pipe_pair(said);
  OK(pthread_rwlock_wrlock(&between->rwlock));
  const pid_t child = fork();
  if (child == 0) {
    tell(said[1]);
    OK(pthread_rwlock_rdlock(&between->rwlock));
    _exit((int)between->count);
  }
  hear(said[0]);
  usleep(2000);
  between->count = 9;
  OK(pthread_rwlock_unlock(&between->rwlock));
  await_child(child);
}

/* The owner's process is killed: a native kernel tells the next one. */
PLAY(death_of_an_owners_process) {
  struct shared *s = shared_memory();
  pthread_mutexattr_t m;
  int said[2];
  pipe_pair(said);
  OK(pthread_mutexattr_init(&m));
  OK(pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED));
  OK(pthread_mutexattr_setrobust(&m, PTHREAD_MUTEX_ROBUST));
  OK(pthread_mutex_init(&s->mutex, &m));
  finish(start(add_shared, s));
  const pid_t child = fork();
  if (child == 0) {
    OK(pthread_mutex_lock(&s->mutex));
    tell(said[1]);
    _exit(3);
  }
  hear(said[0]);
  await_child(child);
  DO_ERROR(pthread_mutex_lock(&s->mutex));
  DO_ERROR(pthread_mutex_consistent(&s->mutex));
  DO_ERROR(pthread_mutex_unlock(&s->mutex));
}

/* -- rwlocks */

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int readers, writers;

static void *read_locked(void *arg) {
  for (int i = 0; i < 50; ++i) {
    OK(pthread_rwlock_rdlock(&rwlock));
    atomic_fetch_add(&readers, 1);
    if (atomic_load(&writers) != 0) say("a reader beside a writer");
    sched_yield();
    atomic_fetch_sub(&readers, 1);
    OK(pthread_rwlock_unlock(&rwlock));
  }
  return arg;
}

static void *write_locked(void *arg) {
  for (int i = 0; i < 50; ++i) {
    OK(pthread_rwlock_wrlock(&rwlock));
    if (atomic_fetch_add(&writers, 1) != 0 || atomic_load(&readers) != 0) say("a writer not alone");
    ++plain_count;
    sched_yield();
    atomic_fetch_sub(&writers, 1);
    OK(pthread_rwlock_unlock(&rwlock));
  }
  return arg;
}

PLAY(rwlock_with_readers_and_writers) {
  pthread_t all[8];
  for (int i = 0; i < 8; ++i) all[i] = start(i % 4 == 0 ? write_locked : read_locked, NULL);
  for (int i = 0; i < 8; ++i) finish(all[i]);
  say("%ld", plain_count);
}

static void *try_rwlock(void *arg) {
  const struct timespec at = from_now(CLOCK_REALTIME, 2 * MS);
  DO_ERROR(pthread_rwlock_tryrdlock(&rwlock));
  DO_ERROR(pthread_rwlock_trywrlock(&rwlock));
  DO_ERROR(pthread_rwlock_timedwrlock(&rwlock, &at));
  return arg;
}

PLAY(rwlock_states) {
  DO_ERROR(pthread_rwlock_wrlock(&rwlock));
  DO_ERROR(pthread_rwlock_rdlock(&rwlock));
  DO_ERROR(pthread_rwlock_wrlock(&rwlock));
  finish(start(try_rwlock, NULL));
  DO_ERROR(pthread_rwlock_unlock(&rwlock));
  DO_ERROR(pthread_rwlock_rdlock(&rwlock));
  finish(start(try_rwlock, NULL));
  DO_ERROR(pthread_rwlock_unlock(&rwlock));
}

PLAY(rwlock_that_prefers_writers) {
  pthread_rwlockattr_t attr;
  OK(pthread_rwlockattr_init(&attr));
  OK(pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
  OK(pthread_rwlock_init(&rwlock, &attr));
  pthread_t all[8];
  for (int i = 0; i < 8; ++i) all[i] = start(i % 4 == 0 ? write_locked : read_locked, NULL);
  for (int i = 0; i < 8; ++i) finish(all[i]);
  say("%ld", plain_count);
}

/* -- barriers */

static pthread_barrier_t barrier;
static atomic_int serials, phase_sum;

static void *meet(void *arg) {
  for (int i = 0; i < 30; ++i) {
    atomic_fetch_add(&phase_sum, 1);
    serials += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    if (atomic_load(&phase_sum) < (i + 1) * 7) say("somebody was left behind");
    pthread_barrier_wait(&barrier);
  }
  return arg;
}

PLAY(barriers) {
  OK(pthread_barrier_init(&barrier, NULL, 7));
  pthread_t all[7];
  for (int i = 0; i < 7; ++i) all[i] = start(meet, NULL);
  for (int i = 0; i < 7; ++i) finish(all[i]);
  say("%d %d", serials, phase_sum);
  DO_ERROR(pthread_barrier_destroy(&barrier));
  DO_ERROR(pthread_barrier_init(&barrier, NULL, 0));
}

/* -- deadlock of an error checking kind: who waits for itself is told, who waits for another gets it in the end */
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;

static void *lock_backwards(void *arg) {
  OK(pthread_mutex_lock(&second));
  struct timespec at = from_now(CLOCK_REALTIME, 20 * MS);
  say("backwards: %s", pthread_mutex_timedlock(&mutex, &at) == ETIMEDOUT ? "ETIMEDOUT" : "otherwise");
  OK(pthread_mutex_unlock(&second));
  return arg;
}

PLAY(a_deadlock_that_a_limit_ends) {
  make(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE);
  OK(pthread_mutex_lock(&mutex));
  pthread_t t = start(lock_backwards, NULL);
  let_block(t);
  OK(pthread_mutex_lock(&second));
  say("forwards");
  finish(t);
}

PLAY(priority_ceilings) {
  have_company();
  pthread_mutexattr_t attr;
  int ceiling = 0;
  OK(pthread_mutexattr_init(&attr));
  DO_ERROR(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_PROTECT));
  DO_ERROR(pthread_mutexattr_setprioceiling(&attr, 10));
  DO_ERROR(pthread_mutex_init(&mutex, &attr));
  DO_ERROR(pthread_mutex_getprioceiling(&mutex, &ceiling));
  say("%d", ceiling);
}
