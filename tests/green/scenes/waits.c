/* Condition variables, semaphores, futexes themselves. */
#include <limits.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "waits"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int value, woken;

static void *wait_for_value(void *arg) {
  OK(pthread_mutex_lock(&mutex));
  while (value == 0) OK(pthread_cond_wait(&condition, &mutex));
  --value;
  ++woken;
  OK(pthread_mutex_unlock(&mutex));
  return arg;
}

PLAY(signal_wakes_one_at_a_time) {
  pthread_t all[5];
  for (int i = 0; i < 5; ++i) all[i] = start(wait_for_value, NULL);
  for (int i = 0; i < 5; ++i) let_block(all[i]);
  for (int i = 1; i <= 5; ++i) {
    OK(pthread_mutex_lock(&mutex));
    value = 1;
    OK(pthread_cond_signal(&condition));
    OK(pthread_mutex_unlock(&mutex));
    for (int now = 0; now < i; usleep(200)) {
      OK(pthread_mutex_lock(&mutex));
      now = woken;
      OK(pthread_mutex_unlock(&mutex));
    }
    say("%d woken", i);
  }
  for (int i = 0; i < 5; ++i) finish(all[i]);
}

PLAY(broadcast_wakes_all) {
  pthread_t all[20];
  for (int i = 0; i < 20; ++i) all[i] = start(wait_for_value, NULL);
  for (int i = 0; i < 20; ++i) let_block(all[i]);
  OK(pthread_mutex_lock(&mutex));
  value = 20;
  OK(pthread_cond_broadcast(&condition));
  OK(pthread_mutex_unlock(&mutex));
  for (int i = 0; i < 20; ++i) finish(all[i]);
  say("%d woken", woken);
}

static void *signal_later(void *arg) {
  usleep(1000);
  OK(pthread_mutex_lock(&mutex));
  value = 1;
  OK(pthread_cond_signal(&condition));
  OK(pthread_mutex_unlock(&mutex));
  return arg;
}

PLAY(limits_of_condition_waits) {
  pthread_condattr_t attr;
  pthread_cond_t monotonic;
  OK(pthread_condattr_init(&attr));
  OK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
  OK(pthread_cond_init(&monotonic, &attr));
  OK(pthread_mutex_lock(&mutex));
  struct timespec at = from_now(CLOCK_REALTIME, 3 * MS);
  DO_ERROR(pthread_cond_timedwait(&condition, &mutex, &at));
  at = from_now(CLOCK_MONOTONIC, 3 * MS);
  DO_ERROR(pthread_cond_timedwait(&monotonic, &mutex, &at));
  at = from_now(CLOCK_MONOTONIC, 3 * MS);
  DO_ERROR(pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &at));
  at.tv_sec = 0;
  DO_ERROR(pthread_cond_timedwait(&condition, &mutex, &at));
  at.tv_nsec = 1000 * MS;
  DO_ERROR(pthread_cond_timedwait(&condition, &mutex, &at));
  pthread_t t = start(signal_later, NULL);
  at = from_now(CLOCK_REALTIME, 100000 * MS);
  while (value == 0) DO_ERROR(pthread_cond_timedwait(&condition, &mutex, &at));
  OK(pthread_mutex_unlock(&mutex));
  finish(t);
}

/* Two hand a number over and back. */
static pthread_cond_t other_condition = PTHREAD_COND_INITIALIZER;

static void *be_odd(void *arg) {
  OK(pthread_mutex_lock(&mutex));
  for (int i = 0; i < 2000; ++i) {
    while (value % 2 == 0) OK(pthread_cond_wait(&condition, &mutex));
    ++value;
    OK(pthread_cond_signal(&other_condition));
  }
  OK(pthread_mutex_unlock(&mutex));
  return arg;
}

PLAY(handing_over_by_conditions) {
  pthread_t t = start(be_odd, NULL);
  OK(pthread_mutex_lock(&mutex));
  for (int i = 0; i < 2000; ++i) {
    ++value;
    OK(pthread_cond_signal(&condition));
    while (value % 2 == 1) OK(pthread_cond_wait(&other_condition, &mutex));
  }
  OK(pthread_mutex_unlock(&mutex));
  finish(t);
  say("%d", value);
}

/* A bounded queue, with several on each side. */
enum { queue_size = 8, items = 3000 };
static int queue[queue_size], queue_head, queue_count;
static atomic_long taken_sum;

static void *produce(void *arg) {
  for (int i = 0; i < items; ++i) {
    OK(pthread_mutex_lock(&mutex));
    while (queue_count == queue_size) OK(pthread_cond_wait(&other_condition, &mutex));
    queue[(queue_head + queue_count++) % queue_size] = i;
    OK(pthread_cond_signal(&condition));
    OK(pthread_mutex_unlock(&mutex));
  }
  return arg;
}

static void *consume(void *arg) {
  for (int i = 0; i < items; ++i) {
    OK(pthread_mutex_lock(&mutex));
    while (queue_count == 0) OK(pthread_cond_wait(&condition, &mutex));
    atomic_fetch_add(&taken_sum, queue[queue_head]);
    queue_head = (queue_head + 1) % queue_size;
    --queue_count;
    OK(pthread_cond_signal(&other_condition));
    OK(pthread_mutex_unlock(&mutex));
  }
  return arg;
}

PLAY(producers_and_consumers) {
  pthread_t all[6];
  for (int i = 0; i < 6; ++i) all[i] = start(i % 2 ? produce : consume, NULL);
  for (int i = 0; i < 6; ++i) finish(all[i]);
  say("%ld", atomic_load(&taken_sum));
}

/* -- semaphores */

static sem_t semaphore, back;

static void *post_back(void *arg) {
  for (int i = 0; i < 2000; ++i) {
    MUST(sem_wait(&semaphore));
    MUST(sem_post(&back));
  }
  return arg;
}

PLAY(handing_over_by_semaphores) {
  MUST(sem_init(&semaphore, 0, 0));
  MUST(sem_init(&back, 0, 0));
  pthread_t t = start(post_back, NULL);
  for (int i = 0; i < 2000; ++i) {
    MUST(sem_post(&semaphore));
    MUST(sem_wait(&back));
  }
  finish(t);
  int left;
  DO(sem_getvalue(&back, &left));
  say("%d", left);
}

static atomic_int inside;

static void *pass_gate(void *arg) {
  for (int i = 0; i < 20; ++i) {
    MUST(sem_wait(&semaphore));
    const int now = atomic_fetch_add(&inside, 1) + 1;
    if (now > 3) say("too many");
    usleep(50);
    atomic_fetch_sub(&inside, 1);
    MUST(sem_post(&semaphore));
  }
  return arg;
}

PLAY(a_gate_for_three) {
  MUST(sem_init(&semaphore, 0, 3));
  pthread_t all[10];
  for (int i = 0; i < 10; ++i) all[i] = start(pass_gate, NULL);
  for (int i = 0; i < 10; ++i) finish(all[i]);
  int left;
  sem_getvalue(&semaphore, &left);
  say("%d", left);
}

PLAY(limits_of_semaphores) {
  have_company();
  MUST(sem_init(&semaphore, 0, 0));
  struct timespec at = from_now(CLOCK_REALTIME, 3 * MS);
  DO(sem_trywait(&semaphore));
  DO(sem_timedwait(&semaphore, &at));
  at = from_now(CLOCK_MONOTONIC, 3 * MS);
  DO(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &at));
  at.tv_nsec = -1;
  DO(sem_timedwait(&semaphore, &at));
  DO(sem_post(&semaphore));
  DO(sem_timedwait(&semaphore, &at));
  DO(sem_init(&semaphore, 0, (unsigned)SEM_VALUE_MAX + 1));
  MUST(sem_init(&semaphore, 0, SEM_VALUE_MAX));
  DO(sem_post(&semaphore));
}

static sem_t *named;

static void *wait_named(void *arg) {
  MUST(sem_wait(named));
  return arg;
}

PLAY(named_semaphores) {
  char name[40];
  snprintf(name, sizeof name, "/weft-scene-%d", getpid());
  named = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
  say("%s", named != SEM_FAILED ? "made" : error_name(errno));
  say("%s", sem_open(name, O_CREAT | O_EXCL, 0600, 0) != SEM_FAILED ? "made again" : error_name(errno));
  pthread_t t = start(wait_named, NULL);
  const pid_t child = fork();
  if (child == 0) {
    sem_t *mine = sem_open(name, 0);
    sem_post(mine);
    _exit(0);
  }
  MUST(waitpid(child, NULL, 0));
  finish(t);
  DO(sem_close(named));
  DO(sem_unlink(name));
  DO(sem_unlink(name));
}

PLAY(semaphores_between_processes) {
  sem_t *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  MUST(sem_init(&s[0], 1, 0));
  MUST(sem_init(&s[1], 1, 0));
  MUST(sem_init(&s[2], 1, 0));
  named = &s[1];
  pthread_t t = start(wait_named, NULL);
  let_block(t);
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 300; ++i) {
      MUST(sem_wait(&s[0]));
      MUST(sem_post(&s[2]));
    }
    MUST(sem_post(&s[1]));
    _exit(0);
  }
  for (int i = 0; i < 300; ++i) {
    MUST(sem_post(&s[0]));
    MUST(sem_wait(&s[2]));
  }
  finish(t);
  MUST(waitpid(child, NULL, 0));
  say("over");
}

/* -- futexes themselves */

static uint32_t word, second_word;

static long futex(uint32_t *at, int op, uint32_t val, const void *limit, uint32_t *other, uint32_t val3) {
  return syscall(SYS_futex, at, op, val, limit, other, val3);
}

static void *wait_on_word(void *arg) {
  return (void *)futex(&word, (int)(long)arg, 0, NULL, NULL, FUTEX_BITSET_MATCH_ANY);
}

PLAY(futex_wait_and_wake) {
  const int kinds[] = {FUTEX_WAIT, FUTEX_WAIT_PRIVATE, FUTEX_WAIT_BITSET, FUTEX_WAIT_BITSET_PRIVATE};
  for (int k = 0; k < 4; ++k) {
    pthread_t all[3];
    for (int i = 0; i < 3; ++i) all[i] = start(wait_on_word, (void *)(long)kinds[k]);
    for (int i = 0; i < 3; ++i) let_block(all[i]);
    const int wake = FUTEX_WAKE | (kinds[k] & FUTEX_PRIVATE_FLAG);
    DO(futex(&word, wake, 1, NULL, NULL, 0));
    DO(futex(&word, wake, INT_MAX, NULL, NULL, 0));
    DO(futex(&word, wake, 1, NULL, NULL, 0));
    for (int i = 0; i < 3; ++i) say("%ld", (long)finish(all[i]));
  }
}

PLAY(futex_requeue_and_wake_op) {
  pthread_t all[4];
  for (int i = 0; i < 4; ++i) {
    all[i] = start(wait_on_word, (void *)(long)FUTEX_WAIT_PRIVATE);
    let_block(all[i]);
  }
  DO(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &second_word, 5));
  DO(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &second_word, 0));
  DO(futex(&second_word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
  DO(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
  for (int i = 0; i < 4; ++i) say("%ld", (long)finish(all[i]));
  const uint32_t add_one = (uint32_t)FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0);
  all[0] = start(wait_on_word, (void *)(long)FUTEX_WAIT_PRIVATE);
  let_block(all[0]);
  DO(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &second_word, add_one));
  say("%u, %ld", second_word, (long)finish(all[0]));
}

static void *wait_on_bits(void *arg) {
  return (void *)futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(long)arg);
}

PLAY(futex_bits) {
  pthread_t a = start(wait_on_bits, (void *)1L), b = start(wait_on_bits, (void *)6L);
  let_block(a);
  let_block(b);
  DO(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 8));
  DO(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 4));
  say("%ld", (long)finish(b));
  DO(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
  say("%ld", (long)finish(a));
}

static void *pi_lock(void *arg) {
  DO(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  DO(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  say("%d", (word & FUTEX_TID_MASK) == (uint32_t)syscall(SYS_gettid));
  DO(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  return arg;
}

PLAY(futex_pi) {
  DO(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  DO(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  pthread_t t = start(pi_lock, NULL);
  let_block(t);
  usleep(1000);
  MUST(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  finish(t);
  DO(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
}

PLAY(futex_errors) {
  have_company();
  struct timespec limit = {0, 3 * MS};
  DO(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
  DO(futex(&word, FUTEX_WAIT, 0, &limit, NULL, 0));
  limit.tv_nsec = -1;
  DO(futex(&word, FUTEX_WAIT, 0, &limit, NULL, 0));
  DO(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT, 0, &limit, NULL, 0));
  DO(futex(bad(), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
  DO(futex(&word, FUTEX_WAIT, 0, bad(), NULL, 0));
  DO(futex(&word, 99, 1, NULL, NULL, 0));
}
