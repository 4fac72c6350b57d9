/* Waits on memory: pthread and C11 primitives, semaphores, futexes themselves. Parts of one OS thread must not stop each other. */
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <threads.h>

#include "../scene.h"

#define GROUP "threads"

static int back[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int value;

static struct timespec soon(clockid_t clock, long ns) {
  struct timespec t;
  clock_gettime(clock, &t);
  t.tv_nsec += ns;
  if (t.tv_nsec >= 1000 * MS) t = (struct timespec){t.tv_sec + 1, t.tv_nsec - 1000 * MS};
  return t;
}

static void lock_and_add(void *arg) {
  (void)arg;
  DO_ERROR(pthread_mutex_lock(&mutex));
  ++value;
  DO_ERROR(pthread_mutex_unlock(&mutex));
}

/* Held across a wait of its owner. */
SCENE(mutex_of_a_sleeper) {
  MUST(pthread_mutex_lock(&mutex));
  part *all[10];
  for (int i = 0; i < 10; ++i) all[i] = go(lock_and_add, NULL);
  for (int i = 0; i < 10; ++i) await_blocked(all[i]);
  usleep(1000);
  DO_ERROR(pthread_mutex_trylock(&mutex));
  struct timespec at = soon(CLOCK_REALTIME, 3 * MS);
  DO_ERROR(pthread_mutex_timedlock(&mutex, &at));
  at = soon(CLOCK_MONOTONIC, 3 * MS);
  DO_ERROR(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &at));
  say("%d", value);
  MUST(pthread_mutex_unlock(&mutex));
  for (int i = 0; i < 10; ++i) join(all[i]);
  say("%d", value);
}

static void wait_for_condition(void *arg) {
  (void)arg;
  pthread_mutex_lock(&mutex);
  tell(back[1]);
  while (value == 0) DO_ERROR(pthread_cond_wait(&condition, &mutex));
  say("value %d", value);
  pthread_mutex_unlock(&mutex);
}

SCENE(conditions) {
  pipe_pair(back);
  part *all[5];
  for (int i = 0; i < 5; ++i) all[i] = go(wait_for_condition, NULL);
  for (int i = 0; i < 5; ++i) hear(back[0]);
  for (int i = 0; i < 5; ++i) await_blocked(all[i]);
  pthread_mutex_lock(&mutex);
  value = 3;
  DO_ERROR(pthread_cond_broadcast(&condition));
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < 5; ++i) join(all[i]);
  pthread_mutex_lock(&mutex);
  struct timespec at = soon(CLOCK_REALTIME, 3 * MS);
  DO_ERROR(pthread_cond_timedwait(&condition, &mutex, &at));
  at = soon(CLOCK_MONOTONIC, 3 * MS);
  DO_ERROR(pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &at));
  at.tv_nsec = -1;
  DO_ERROR(pthread_cond_timedwait(&condition, &mutex, &at));
  pthread_mutex_unlock(&mutex);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void write_locked(void *arg) {
  (void)arg;
  DO_ERROR(pthread_rwlock_wrlock(&rwlock));
  ++value;
  DO_ERROR(pthread_rwlock_unlock(&rwlock));
}

static void read_locked(void *arg) {
  (void)arg;
  DO_ERROR(pthread_rwlock_rdlock(&rwlock));
  say("value %d", value);
  DO_ERROR(pthread_rwlock_unlock(&rwlock));
}

SCENE(rwlocks) {
  DO_ERROR(pthread_rwlock_rdlock(&rwlock));
  join(go(read_locked, NULL));
  part *writer = go(write_locked, NULL);
  await_blocked(writer);
  DO_ERROR(pthread_rwlock_trywrlock(&rwlock));
  DO_ERROR(pthread_rwlock_unlock(&rwlock));
  join(writer);
  DO_ERROR(pthread_rwlock_wrlock(&rwlock));
  part *reader = go(read_locked, NULL);
  await_blocked(reader);
  usleep(1000);
  DO_ERROR(pthread_rwlock_unlock(&rwlock));
  join(reader);
}

static pthread_barrier_t barrier;
static atomic_int serial;

static void meet(void *arg) {
  (void)arg;
  for (int i = 0; i < 3; ++i)
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) ++serial;
}

SCENE(barriers) {
  MUST(pthread_barrier_init(&barrier, NULL, 5));
  part *all[5];
  for (int i = 0; i < 5; ++i) all[i] = go(meet, NULL);
  for (int i = 0; i < 5; ++i) join(all[i]);
  say("%d", serial);
}

static sem_t semaphore;

static void take(void *arg) {
  (void)arg;
  DO(sem_wait(&semaphore));
}

SCENE(semaphores) {
  MUST(sem_init(&semaphore, 0, 1));
  part *all[4];
  for (int i = 0; i < 4; ++i) all[i] = go(take, NULL);
  for (int i = 0; i < 4; ++i) await_blocked(all[i]);
  for (int i = 0; i < 3; ++i) DO(sem_post(&semaphore));
  for (int i = 0; i < 4; ++i) join(all[i]);
  DO(sem_trywait(&semaphore));
  struct timespec at = soon(CLOCK_REALTIME, 3 * MS);
  DO(sem_timedwait(&semaphore, &at));
  at = soon(CLOCK_MONOTONIC, 3 * MS);
  DO(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &at));
  at.tv_nsec = -1;
  DO(sem_timedwait(&semaphore, &at));
}

static mtx_t c11_mutex;
static cnd_t c11_condition;

static void c11_wait(void *arg) {
  (void)arg;
  DO(mtx_lock(&c11_mutex));
  while (value == 0) DO(cnd_wait(&c11_condition, &c11_mutex));
  DO(mtx_unlock(&c11_mutex));
}

SCENE(c11_threads) {
  MUST(mtx_init(&c11_mutex, mtx_timed));
  MUST(cnd_init(&c11_condition));
  part *p = go(c11_wait, NULL);
  await_blocked(p);
  DO(mtx_lock(&c11_mutex));
  value = 1;
  DO(cnd_signal(&c11_condition));
  DO(mtx_unlock(&c11_mutex));
  join(p);
  DO(mtx_lock(&c11_mutex));
  struct timespec at = soon(CLOCK_REALTIME, 3 * MS);
  DO(cnd_timedwait(&c11_condition, &c11_mutex, &at) == thrd_timedout);
  DO(mtx_unlock(&c11_mutex));
  const struct timespec nap = {0, MS};
  DO(thrd_sleep(&nap, NULL));
  thrd_yield();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void slowly(void) {
  usleep(30000);
  say("once");
}

static void call_once_more(void *arg) {
  (void)arg;
  DO_ERROR(pthread_once(&once, slowly));
  say("through");
}

/* The first to come says it, whoever that is natively. */
SCENE(once_by_several) {
  part *first = go(call_once_more, NULL);
  await_blocked(first);
  part *all[3];
  for (int i = 0; i < 3; ++i) all[i] = go(call_once_more, NULL);
  for (int i = 0; i < 3; ++i) join(all[i]);
  join(first);
}

static uint32_t word;

static long futex(uint32_t *at, int op, uint32_t val, const void *limit, uint32_t *other, uint32_t val3) {
  return syscall(SYS_futex, at, op, val, limit, other, val3);
}

static void wait_on_word(void *arg) {
  AS("wait", futex(&word, (int)(long)arg, 0, NULL, NULL, FUTEX_BITSET_MATCH_ANY));
}

SCENE(futex_wait_and_wake) {
  const int kinds[] = {FUTEX_WAIT, FUTEX_WAIT_PRIVATE, FUTEX_WAIT_BITSET, FUTEX_WAIT_BITSET_PRIVATE};
  for (int k = 0; k < 4; ++k) {
    part *all[3];
    for (int i = 0; i < 3; ++i) all[i] = go(wait_on_word, (void *)(long)kinds[k]);
    for (int i = 0; i < 3; ++i) await_blocked(all[i]);
    const int wake = FUTEX_WAKE | (kinds[k] & FUTEX_PRIVATE_FLAG);
    DO(futex(&word, wake, 1, NULL, NULL, 0));
    DO(futex(&word, wake, 0x7fffffff, NULL, NULL, 0));
    DO(futex(&word, wake, 1, NULL, NULL, 0));
    for (int i = 0; i < 3; ++i) join(all[i]);
  }
}

static uint32_t second_word;

SCENE(futex_requeue) {
  part *all[3];
  for (int i = 0; i < 3; ++i) {
    all[i] = go(wait_on_word, (void *)(long)FUTEX_WAIT_PRIVATE);
    await_blocked(all[i]);
  }
  DO(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1L, &second_word, 5));
  DO(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1L, &second_word, 0));
  join(all[0]);
  DO(futex(&second_word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
  DO(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
  for (int i = 1; i < 3; ++i) join(all[i]);
  const uint32_t add_one = (uint32_t)FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0);
  all[0] = go(wait_on_word, (void *)(long)FUTEX_WAIT_PRIVATE);
  await_blocked(all[0]);
  DO(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &second_word, add_one));
  say("%u", second_word);
  join(all[0]);
}

enum { private_word = 2 | FUTEX_PRIVATE_FLAG }; /* FUTEX2_SIZE_U32 */

struct waitv {
  uint64_t val, uaddr;
  uint32_t flags, reserved;
};

/* futex_wake, futex_wait and futex_requeue, which have numbers and no names yet. */
enum { wake2 = 454, wait2 = 455, requeue2 = 456, shared_u32 = 2, private_u32 = private_word };

static void wait_by_number(void *arg) { AS("wait", syscall(wait2, &word, 0L, (unsigned long)arg, private_u32, NULL, CLOCK_MONOTONIC)); }
static void wait_shared(void *arg) { AS("wait", syscall(wait2, &word, 0L, (unsigned long)arg, shared_u32, NULL, CLOCK_MONOTONIC)); }

SCENE(futex_by_number) {
  DO(syscall(wake2, &word, 1L, 1, private_u32));
  if (errno == ENOSYS) {
    usleep(1000);
    return;
  }
  part *all[3];
  for (int i = 0; i < 3; ++i) {
    all[i] = go(wait_by_number, (void *)(1L << i));
    await_blocked(all[i]);
  }
  DO(syscall(wake2, &word, 2L, 9, private_u32));
  join(all[1]);
  DO(syscall(wake2, &word, 8L, 9, private_u32));
  struct waitv both[2] = {{1, (uintptr_t)&word, private_u32, 0}, {0, (uintptr_t)&second_word, private_u32, 0}};
  DO(syscall(requeue2, both, 0, 1, 9));
  both[0].val = 0;
  DO(syscall(requeue2, both, 0, 1, 9));
  join(all[0]);
  DO(syscall(wake2, &word, 0xffffffffL, 9, private_u32));
  DO(futex(&second_word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0)); /* both interfaces have one queue */
  join(all[2]);
  all[0] = go(wait_shared, (void *)1L);
  await_blocked(all[0]);
  DO(syscall(wake2, &word, 1L, 1, shared_u32));
  join(all[0]);
}

SCENE(futex_by_number_errors) {
  struct timespec at = soon(CLOCK_MONOTONIC, 3 * MS);
  DO(syscall(wait2, &word, 0L, 1L, private_u32, &at, CLOCK_MONOTONIC));
  if (errno == ENOSYS) {
    usleep(1000);
    return;
  }
  at = soon(CLOCK_REALTIME, 3 * MS);
  DO(syscall(wait2, &word, 0L, 1L, private_u32, &at, CLOCK_REALTIME));
  DO(syscall(wait2, &word, 0L, 1L, private_u32, &at, CLOCK_BOOTTIME));
  DO(syscall(wait2, &word, 1L, 1L, private_u32, NULL, CLOCK_MONOTONIC));
  DO(syscall(wait2, &word, 1L << 32, 1L, private_u32, NULL, CLOCK_MONOTONIC));
  DO(syscall(wait2, &word, 0L, 0L, private_u32, NULL, CLOCK_MONOTONIC));
  DO(syscall(wait2, &word, 0L, 1L << 32, private_u32, NULL, CLOCK_MONOTONIC));
  DO(syscall(wait2, &word, 0L, 1L, 0, NULL, CLOCK_MONOTONIC));
  DO(syscall(wait2, &word, 0L, 1L, private_u32 | 64, NULL, CLOCK_MONOTONIC));
  DO(syscall(wait2, (char *)&word + 1, 0L, 1L, private_u32, NULL, CLOCK_MONOTONIC));
  DO(syscall(wait2, bad(), 0L, 1L, private_u32, NULL, CLOCK_MONOTONIC));
  DO(syscall(wait2, &word, 0L, 1L, private_u32, bad(), CLOCK_MONOTONIC));
  at.tv_nsec = -1;
  DO(syscall(wait2, &word, 0L, 1L, private_u32, &at, CLOCK_MONOTONIC));
  DO(syscall(wake2, &word, 1L, 0, private_u32));
  DO(syscall(wake2, &word, 0L, 1, private_u32));
  DO(syscall(wake2, (char *)&word + 2, 1L, 1, private_u32));
  DO(syscall(wake2, bad(), 1L, 1, private_u32));
  struct waitv both[2] = {{0, (uintptr_t)&word, private_u32, 0}, {0, (uintptr_t)&second_word, private_u32, 0}};
  DO(syscall(requeue2, both, 1, 1, 1));
  DO(syscall(requeue2, bad(), 0, 1, 1));
  DO(syscall(requeue2, both, 0, -1, 1));
  both[1].reserved = 1;
  DO(syscall(requeue2, both, 0, 1, 1));
}

SCENE(futex_limits) {
  struct timespec limit = {0, 3 * MS}, at = soon(CLOCK_MONOTONIC, 3 * MS);
  DO(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
  DO(futex(&word, FUTEX_WAIT, 0, &limit, NULL, 0));
  DO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &at, NULL, 1));
  at = soon(CLOCK_REALTIME, 3 * MS);
  DO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &at, NULL, 1));
  DO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &at, NULL, 0));
  limit.tv_nsec = -1;
  DO(futex(&word, FUTEX_WAIT, 0, &limit, NULL, 0));
  DO(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT, 0, &limit, NULL, 0));
  DO(futex(bad(), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
  DO(futex(&word, FUTEX_WAIT, 0, bad(), NULL, 0));
  DO(futex(bad(), FUTEX_WAKE, 1, NULL, NULL, 0));
  DO(futex(&word, 99, 1, NULL, NULL, 0));
  usleep(1000);
}

static void wait_on_both(void *arg) {
  struct waitv v[2] = {{0, (uintptr_t)&word, private_word, 0}, {0, (uintptr_t)&second_word, private_word, 0}};
  (void)arg;
  DO(syscall(449, v, 2, 0, NULL, CLOCK_MONOTONIC));
}

SCENE(futex_waitv) {
  part *p = go(wait_on_both, NULL);
  await_blocked(p);
  DO(futex(&second_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
  join(p);
  struct waitv v = {1, (uintptr_t)&word, private_word, 0};
  DO(syscall(449, &v, 1, 0, NULL, CLOCK_MONOTONIC));
  v.val = 0;
  struct timespec at = soon(CLOCK_MONOTONIC, 3 * MS);
  DO(syscall(449, &v, 1, 0, &at, CLOCK_MONOTONIC));
  DO(syscall(449, &v, 0, 0, NULL, CLOCK_MONOTONIC));
  DO(syscall(449, &v, 1, 7, NULL, CLOCK_MONOTONIC));
}

static void *in_a_thread(void *arg) {
  usleep(2000);
  MUST(pthread_mutex_lock(&mutex));
  value = 9;
  pthread_cond_signal(&condition);
  MUST(pthread_mutex_unlock(&mutex));
  return arg;
}

/* Another OS thread wakes a part, and a part joins it. */
SCENE(with_another_os_thread) {
  pthread_t thread;
  MUST(pthread_create(&thread, NULL, in_a_thread, &value));
  pthread_mutex_lock(&mutex);
  while (value != 9) pthread_cond_wait(&condition, &mutex);
  pthread_mutex_unlock(&mutex);
  void *result = NULL;
  DO_ERROR(pthread_join(thread, &result));
  say("%d", result == (void *)&value);
  usleep(1000);
}

/* Its owner's identity is the OS thread's. */
SCENE(recursive_mutex) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
  MUST(pthread_mutex_init(&mutex, &attr));
  DO_ERROR(pthread_mutex_lock(&mutex));
  DO_ERROR(pthread_mutex_lock(&mutex));
  DO_ERROR(pthread_mutex_unlock(&mutex));
  DO_ERROR(pthread_mutex_unlock(&mutex));
  usleep(1000);
}
