/* weft.h: pools, shared locks, barriers, queues in other orders, work in threads and processes, signals. */
#include <signal.h>
#include <stdint.h>
#include <unistd.h>
#include <weft/weft.h>

#include "check.h"

static int alive, most;
static weft_rwlock *lock;
static weft_barrier *barrier;
static int lasts;

static void *work(void *arg) {
  if (++alive > most) most = alive;
  weft_yield();
  weft_yield();
  --alive;
  return arg;
}

static void *for_ever(void *arg) {
  while (weft_sleep(WEFT_MS(3600000)) == 0) {
  }
  return arg;
}

static void a_pool_runs_so_many_at_once(void) {
  weft_pool *pool = weft_pool_create(2);
  weft_fiber *last = NULL;
  most = 0;
  for (int i = 0; i < 5; ++i) CHECK(weft_pool_spawn(pool, i == 4 ? &last : NULL, work, &alive) == 0);
  CHECK(weft_pool_join(pool, WEFT_FOREVER) == 0);
  CHECK(most == 2);
  CHECK(weft_pool_size(pool) == 0);
  void *result = NULL;
  CHECK(weft_join(last, &result) == 0 && result == &alive);
  weft_release(last);
  CHECK(weft_pool_spawn(pool, NULL, for_ever, NULL) == 0);
  CHECK_FAILS(weft_pool_join(pool, WEFT_MS(1)), ETIMEDOUT);
  CHECK(weft_pool_kill(pool, WEFT_FOREVER) == 0);
  CHECK_FAILS(weft_pool_spawn(pool, NULL, NULL, NULL), EINVAL);
  weft_pool_destroy(pool);
  errno = 0;
  CHECK(weft_pool_create(0) == NULL && errno == EINVAL);
}

static void *reads(void *arg) {
  CHECK(weft_rwlock_read(lock, WEFT_FOREVER) == 0);
  if (++alive > most) most = alive;
  weft_yield();
  --alive;
  CHECK(weft_rwlock_unlock(lock) == 0);
  return arg;
}

static void readers_share_and_a_writer_excludes(void) {
  weft_fiber *fibers[3];
  lock = weft_rwlock_create();
  alive = most = 0;
  for (int i = 0; i < 3; ++i) weft_spawn(&fibers[i], reads, NULL);
  CHECK(weft_joinall(fibers, 3, WEFT_FOREVER) == 0);
  CHECK(most == 3);
  CHECK(weft_rwlock_write(lock, 0) == 0);
  CHECK_FAILS(weft_rwlock_read(lock, 0), ETIMEDOUT);
  CHECK_FAILS(weft_rwlock_write(lock, WEFT_FOREVER), EDEADLK);
  CHECK(weft_rwlock_unlock(lock) == 0);
  CHECK_FAILS(weft_rwlock_unlock(lock), EPERM);
  for (int i = 0; i < 3; ++i) weft_release(fibers[i]);
  weft_rwlock_destroy(lock);
}

static void *comes(void *arg) {
  const int got = weft_barrier_wait(barrier, WEFT_FOREVER);
  CHECK(got == 0 || got == 1);
  lasts += got;
  return arg;
}

static void a_barrier_lets_all_go_and_can_break(void) {
  weft_fiber *fibers[3];
  barrier = weft_barrier_create(3);
  lasts = 0;
  for (int i = 0; i < 3; ++i) weft_spawn(&fibers[i], comes, NULL);
  CHECK(weft_joinall(fibers, 3, WEFT_FOREVER) == 0);
  CHECK(lasts == 1);
  CHECK_FAILS(weft_barrier_wait(barrier, WEFT_MS(1)), ETIMEDOUT);
  CHECK_FAILS(weft_barrier_wait(barrier, WEFT_FOREVER), EPIPE);
  CHECK(weft_barrier_reset(barrier) == 0);
  CHECK_FAILS(weft_barrier_wait(barrier, WEFT_MS(1)), ETIMEDOUT);
  for (int i = 0; i < 3; ++i) weft_release(fibers[i]);
  weft_barrier_destroy(barrier);
}

static int by_value(const void *a, const void *b) {
  const int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

static void queues_have_an_order(void) {
  int numbers[] = {2, 3, 1};
  const int newest[] = {1, 3, 2}, sorted[] = {1, 2, 3};
  for (int kind = 0; kind < 2; ++kind) {
    weft_queue *queue = kind == 0 ? weft_queue_create_lifo(0) : weft_queue_create_sorted(0, by_value);
    for (int i = 0; i < 3; ++i) CHECK(weft_queue_put(queue, &numbers[i], 0) == 0);
    CHECK_FAILS(weft_queue_join(queue, WEFT_MS(1)), ETIMEDOUT);
    for (int i = 0; i < 3; ++i) {
      void *got = NULL;
      CHECK(weft_queue_get(queue, &got, 0) == 0);
      CHECK(*(int *)got == (kind == 0 ? newest : sorted)[i]);
      CHECK(weft_queue_task_done(queue) == 0);
    }
    CHECK(weft_queue_join(queue, WEFT_FOREVER) == 0);
    CHECK_FAILS(weft_queue_task_done(queue), EPERM);
    weft_queue_destroy(queue);
  }
  errno = 0;
  CHECK(weft_queue_create_sorted(0, NULL) == NULL && errno == EINVAL);
}

static void *twice(void *arg) { return (void *)(2 * (intptr_t)arg); }

static ssize_t fill(void *arg, void *out, size_t size) {
  if (arg == NULL) {
    errno = ENOENT;
    return -1;
  }
  if (size < 4) _exit(3);
  memcpy(out, "done", 4);
  return 4;
}

/* TSan ends a process that makes a thread after a fork. */
#if defined(__SANITIZE_THREAD__)
#define MAY_FORK 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MAY_FORK 0
#endif
#endif
#ifndef MAY_FORK
#define MAY_FORK 1
#endif

static void work_is_done_elsewhere(void) {
  char out[8] = "";
  if (MAY_FORK) {  /* before a thread may hold a lock of ASan's */
    CHECK(weft_in_process(fill, out, out, sizeof out) == 4 && memcmp(out, "done", 4) == 0);
    CHECK_FAILS(weft_in_process(fill, NULL, out, sizeof out), ENOENT);
    CHECK_FAILS(weft_in_process(fill, out, out, 1), ECHILD);
  }
  void *result = NULL;
  CHECK(weft_in_thread(twice, (void *)21, &result) == 0 && (intptr_t)result == 42);
}

static void *waits_for_signal(void *arg) {
  *(int *)arg = weft_signal_wait(SIGUSR1, WEFT_FOREVER);
  return NULL;
}

static void a_signal_is_waited_for(void) {
  weft_fiber *fiber;
  int number = 0;
  CHECK_FAILS(weft_signal_wait(SIGUSR1, WEFT_MS(1)), ETIMEDOUT);
  CHECK_FAILS(weft_signal_wait(SIGKILL, 0), EINVAL);
  weft_spawn(&fiber, waits_for_signal, &number);
  weft_yield();
  kill(getpid(), SIGUSR1);
  CHECK(weft_join(fiber, NULL) == 0);
  CHECK(number == SIGUSR1);
  weft_release(fiber);
}

int main(void) {
  const struct test_case cases[] = {
      {"a pool runs so many at once", a_pool_runs_so_many_at_once},
      {"readers share and a writer excludes", readers_share_and_a_writer_excludes},
      {"a barrier lets all go, and can break", a_barrier_lets_all_go_and_can_break},
      {"queues have an order", queues_have_an_order},
      {"work is done elsewhere", work_is_done_elsewhere},
      {"a signal is waited for", a_signal_is_waited_for},
  };
  return RUN_CASES(cases);
}
