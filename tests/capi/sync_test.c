/* weft.h: mutexes, conditions, queues, channels, select, latches, timers, waiting for the first, callbacks. */
#include <stdint.h>
#include <weft/weft.h>

#include "check.h"

static weft_mutex *mutex;
static weft_condition *condition;
static weft_queue *queue;
static weft_channel *a, *b;
static int count;

static void *nap(void *arg) {
  weft_sleep(WEFT_MS((intptr_t)arg));
  return arg;
}

static void *add_under_lock(void *arg) {
  CHECK(weft_mutex_lock(mutex, WEFT_FOREVER) == 0);
  const int seen = count;
  weft_yield();
  count = seen + 1;
  CHECK(weft_mutex_unlock(mutex) == 0);
  return arg;
}

static void a_mutex_excludes(void) {
  weft_fiber *fibers[4];
  mutex = weft_mutex_create();
  count = 0;
  for (int i = 0; i < 4; ++i) weft_spawn(&fibers[i], add_under_lock, NULL);
  CHECK(weft_joinall(fibers, 4, WEFT_FOREVER) == 0);
  CHECK(count == 4);
  CHECK(weft_mutex_lock(mutex, 0) == 0);
  CHECK_FAILS(weft_mutex_lock(mutex, 0), ETIMEDOUT);
  CHECK_FAILS(weft_mutex_lock(mutex, WEFT_FOREVER), EDEADLK);
  CHECK(weft_mutex_unlock(mutex) == 0);
  CHECK_FAILS(weft_mutex_unlock(mutex), EPERM);
  for (int i = 0; i < 4; ++i) weft_release(fibers[i]);
  weft_mutex_destroy(mutex);
}

static void *wait_for_count(void *arg) {
  weft_mutex_lock(mutex, WEFT_FOREVER);
  while (count == 0) CHECK(weft_condition_wait(condition, mutex, WEFT_FOREVER) == 0);
  ++count;
  weft_mutex_unlock(mutex);
  return arg;
}

static void a_condition_wakes_as_many_as_asked(void) {
  weft_fiber *fibers[3];
  mutex = weft_mutex_create();
  condition = weft_condition_create();
  count = 0;
  for (int i = 0; i < 3; ++i) weft_spawn(&fibers[i], wait_for_count, NULL);
  weft_yield();
  weft_mutex_lock(mutex, WEFT_FOREVER);
  CHECK_FAILS(weft_condition_wait(condition, mutex, WEFT_MS(1)), ETIMEDOUT);
  count = 1;
  weft_mutex_unlock(mutex);
  CHECK(weft_condition_notify(condition, 1) == 0);
  CHECK(weft_join(fibers[0], NULL) == 0);
  CHECK(!weft_done(fibers[1]));
  CHECK(weft_condition_notify(condition, SIZE_MAX) == 0);
  CHECK(weft_joinall(fibers, 3, WEFT_FOREVER) == 0);
  CHECK(count == 4);
  CHECK_FAILS(weft_condition_wait(condition, mutex, WEFT_FOREVER), EPERM);
  for (int i = 0; i < 3; ++i) weft_release(fibers[i]);
  weft_condition_destroy(condition);
  weft_mutex_destroy(mutex);
}

static void *produce(void *arg) {
  for (intptr_t i = 1; i <= 5; ++i) CHECK(weft_queue_put(queue, (void *)i, WEFT_FOREVER) == 0);
  weft_queue_close(queue);
  return arg;
}

static void a_queue_gives_what_was_put_and_then_ends(void) {
  intptr_t sum = 0;
  void *item;
  queue = weft_queue_create(2);
  CHECK_FAILS(weft_queue_get(queue, &item, 0), ETIMEDOUT);
  CHECK_FAILS(weft_queue_get(queue, &item, WEFT_MS(1)), ETIMEDOUT);
  CHECK(weft_spawn(NULL, produce, NULL) == 0);
  while (weft_queue_get(queue, &item, WEFT_FOREVER) == 0) sum += (intptr_t)item;
  CHECK(errno == EPIPE);
  CHECK(sum == 15);
  CHECK(weft_queue_size(queue) == 0);
  CHECK_FAILS(weft_queue_put(queue, NULL, 0), EPIPE);
  weft_queue_destroy(queue);
}

static void *send_to_b(void *arg) {
  CHECK(weft_channel_send(b, arg, WEFT_FOREVER) == 0);
  return NULL;
}

static void select_does_exactly_one_case(void) {
  size_t which = 9;
  void *item;
  a = weft_channel_create(0);
  b = weft_channel_create(0);
  weft_select_case cases[3] = {{a, 0, NULL, 0}, {b, 0, NULL, 0}, {NULL, 1, NULL, 0}};
  CHECK_FAILS(weft_select(cases, 3, &which, 0), ETIMEDOUT);
  CHECK_FAILS(weft_select(cases, 3, &which, WEFT_MS(1)), ETIMEDOUT);
  weft_spawn(NULL, send_to_b, &count);
  CHECK(weft_select(cases, 3, &which, WEFT_FOREVER) == 0);
  CHECK(which == 1 && cases[1].item == &count && !cases[1].closed);
  weft_spawn(NULL, send_to_b, &which);
  weft_yield();
  CHECK(weft_channel_receive(b, &item, 0) == 0 && item == &which);
  CHECK_FAILS(weft_channel_send(a, NULL, 0), ETIMEDOUT);
  CHECK_FAILS(weft_channel_receive(a, &item, WEFT_MS(1)), ETIMEDOUT);
  weft_channel_close(a);
  CHECK(weft_select(cases, 3, &which, WEFT_FOREVER) == 0);
  CHECK(which == 0 && cases[0].closed);
  cases[0].send = 1;
  CHECK(weft_select(cases, 1, &which, WEFT_FOREVER) == 0);
  CHECK(which == 0 && cases[0].closed);
  CHECK_FAILS(weft_channel_receive(a, &item, WEFT_FOREVER), EPIPE);
  CHECK_FAILS(weft_channel_send(a, NULL, WEFT_FOREVER), EPIPE);
  weft_channel_destroy(a);
  weft_channel_destroy(b);
}

static weft_latch *latch;

static void tick(void *arg) {
  ++*(int *)arg;
  weft_latch_count_down(latch, 1);
}

static void timers_call_and_latches_count(void) {
  int ticks = 0, never = 0;
  weft_timer *timer, *mistake;
  latch = weft_latch_create(3);
  CHECK(weft_call_later(&timer, WEFT_MS(1), WEFT_MS(1), tick, &ticks) == 0);
  CHECK(weft_call_later(&mistake, WEFT_SECONDS(3600), 0, tick, &never) == 0);
  CHECK(weft_timer_cancel(mistake) == 1);
  CHECK(weft_timer_cancel(mistake) == 0);
  CHECK_FAILS(weft_latch_wait(latch, 0), ETIMEDOUT);
  CHECK(weft_latch_wait(latch, WEFT_FOREVER) == 0);
  CHECK(weft_timer_cancel(timer) == 1);
  CHECK(ticks == 3 && never == 0);
  CHECK_FAILS(weft_latch_count_down(latch, 1), EINVAL);
  CHECK_FAILS(weft_call_later(NULL, 0, 0, NULL, NULL), EINVAL);
  weft_timer_release(timer);
  weft_timer_release(mistake);
  weft_latch_destroy(latch);
}

static void note(weft_fiber *fiber, void *arg) {
  CHECK(weft_done(fiber));
  ++*(int *)arg;
}

static void the_first_to_end_is_told_and_callbacks_follow(void) {
  weft_fiber *fibers[3];
  size_t which = 9;
  int noted = 0;
  for (intptr_t i = 0; i < 3; ++i) weft_spawn(&fibers[i], nap, (void *)(30 - 10 * i + 100000 * (i != 2)));
  CHECK(weft_link(fibers[2], note, &noted) == 0);
  CHECK_FAILS(weft_wait_any(fibers, 3, &which, 0), ETIMEDOUT);
  CHECK(weft_wait_any(fibers, 3, &which, WEFT_FOREVER) == 0);
  CHECK(which == 2);
  CHECK(weft_wait_any(fibers, 3, &which, 0) == 0);
  CHECK_FAILS(weft_wait_any(fibers, 2, &which, WEFT_MS(1)), ETIMEDOUT);
  CHECK_FAILS(weft_wait_any(fibers, 0, &which, WEFT_MS(1)), EINVAL);
  weft_yield();
  CHECK(noted == 1);
  CHECK(weft_killall(fibers, 3, WEFT_FOREVER) == 0);
  for (int i = 0; i < 3; ++i) weft_release(fibers[i]);
}

int main(void) {
  static const struct test_case cases[] = {
      {"a mutex excludes", a_mutex_excludes},
      {"a condition wakes as many as asked", a_condition_wakes_as_many_as_asked},
      {"a queue gives what was put and then ends", a_queue_gives_what_was_put_and_then_ends},
      {"select does exactly one case", select_does_exactly_one_case},
      {"timers call and latches count", timers_call_and_latches_count},
      {"the first to end is told and callbacks follow", the_first_to_end_is_told_and_callbacks_follow},
  };
  return RUN_CASES(cases);
}
