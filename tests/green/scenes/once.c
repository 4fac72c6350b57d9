/* What is done once, what each thread has of its own, and both of them as C11 has them. */
#include <stdatomic.h>
#include <threads.h>

#include "../green.h"

#define GROUP "once"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int onces;

static void be_slow_once(void) {
  usleep(3000);
  atomic_fetch_add(&onces, 1);
}

static void *call_once_more(void *arg) {
  OK(pthread_once(&once, be_slow_once));
  if (atomic_load(&onces) != 1) say("through too early");
  return arg;
}

PLAY(once_by_ten) {
  pthread_t all[10];
  for (int i = 0; i < 10; ++i) all[i] = start(call_once_more, NULL);
  for (int i = 0; i < 10; ++i) finish(all[i]);
  say("%d", atomic_load(&onces));
}

static int attempts;

static void be_cancelled_once(void) {
  if (attempts++ == 0) sleep(100);
}

static void *once_cancelled(void *arg) {
  pthread_once(&once, be_cancelled_once);
  return arg;
}

PLAY(once_that_is_cancelled_is_done_again) {
  pthread_t t = start(once_cancelled, NULL);
  let_block(t);
  pthread_t next = start(once_cancelled, NULL);
  let_block(next);
  OK(pthread_cancel(t));
  say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
  finish(next);
  say("%d attempts", attempts);
}

static pthread_key_t keys[3], stubborn;
static atomic_int destroyed, stubborn_rounds;

static void destroy(void *v) { atomic_fetch_add(&destroyed, (int)(long)v); }

static void insist(void *v) {
  atomic_fetch_add(&stubborn_rounds, 1);
  pthread_setspecific(stubborn, v);
}

static void *use_keys(void *arg) {
  for (int i = 0; i < 3; ++i)
    if (pthread_getspecific(keys[i]) != NULL) say("not empty");
  for (int i = 0; i < 3; ++i) OK(pthread_setspecific(keys[i], (void *)((long)arg + i)));
  OK(pthread_setspecific(stubborn, arg));
  for (int r = 0; r < 5; ++r) {
    usleep(100);
    for (int i = 0; i < 3; ++i)
      if (pthread_getspecific(keys[i]) != (void *)((long)arg + i)) say("another's value");
  }
  return NULL;
}

PLAY(keys_and_destructors) {
  for (int i = 0; i < 3; ++i) OK(pthread_key_create(&keys[i], destroy));
  OK(pthread_key_create(&stubborn, insist));
  pthread_t all[10];
  for (long i = 0; i < 10; ++i) all[i] = start(use_keys, (void *)(i * 10 + 1));
  for (int i = 0; i < 10; ++i) finish(all[i]);
  say("%d, %d", atomic_load(&destroyed), atomic_load(&stubborn_rounds));
  DO_ERROR(pthread_key_delete(keys[0]));
  DO_ERROR(pthread_key_delete(keys[0]));
  DO_ERROR(pthread_setspecific(keys[0], NULL));
}

/* A destructor may wait. */
static int pair[2];

static void wait_then_say(void *v) {
  hear(pair[0]);
  say("destroyed %s", (const char *)v);
}

static void *leave_value(void *arg) {
  OK(pthread_setspecific(keys[0], arg));
  return NULL;
}

PLAY(a_destructor_that_waits) {
  unix_pair(SOCK_STREAM, pair);
  OK(pthread_key_create(&keys[0], wait_then_say));
  pthread_t t = start(leave_value, "it");
  let_block(t);
  tell(pair[1]);
  finish(t);
}

/* -- C11 */

static mtx_t c11_mutex;
static cnd_t c11_condition;
static once_flag c11_once = ONCE_FLAG_INIT;
static tss_t c11_key;
static _Thread_local int c11_local = 5;

static void c11_be_once(void) { atomic_fetch_add(&onces, 1); }

static int value, woken;

static int c11_run(void *arg) {
  call_once(&c11_once, c11_be_once);
  c11_local += (int)(long)arg;
  tss_set(c11_key, arg);
  mtx_lock(&c11_mutex);
  while (value == 0) cnd_wait(&c11_condition, &c11_mutex);
  ++woken;
  mtx_unlock(&c11_mutex);
  const struct timespec nap = {0, MS / 10};
  thrd_sleep(&nap, NULL);
  thrd_yield();
  if (arg == (void *)3L) thrd_exit(33);
  return c11_local;
}

PLAY(c11_threads) {
  thrd_t all[5];
  DO(mtx_init(&c11_mutex, mtx_timed | mtx_recursive));
  DO(cnd_init(&c11_condition));
  DO(tss_create(&c11_key, destroy));
  for (long i = 0; i < 5; ++i) MUST(thrd_create(&all[i], c11_run, (void *)i));
  usleep(1000);
  mtx_lock(&c11_mutex);
  struct timespec at = from_now(CLOCK_REALTIME, 2 * MS);
  DO(cnd_timedwait(&c11_condition, &c11_mutex, &at) == thrd_timedout);
  value = 1;
  DO(cnd_broadcast(&c11_condition));
  mtx_unlock(&c11_mutex);
  for (int i = 0; i < 5; ++i) {
    int result;
    thrd_join(all[i], &result);
    say("%d", result);
  }
  say("%d once, %d woken, local %d, destroyed %d", atomic_load(&onces), woken, c11_local, atomic_load(&destroyed));
}
