/* weft.h: timeouts, shields, events and semaphores. */
#include <weft/weft.h>

#include "check.h"

struct timeouts {
  int64_t inner, outer;
  int call, inner_end, second_call, outer_end;
};

static int result_of(int returned) { return returned == 0 ? 0 : errno; }

static void *nest(void *arg) {
  struct timeouts *t = arg;
  weft_scope outer, inner;
  weft_timeout_begin(&outer, t->outer);
  weft_timeout_begin(&inner, t->inner);
  t->call = result_of(weft_sleep(WEFT_SECONDS(3600)));
  t->inner_end = result_of(weft_timeout_end(&inner));
  t->second_call = result_of(weft_yield());
  t->outer_end = result_of(weft_timeout_end(&outer));
  return NULL;
}

static void a_timeout_cuts_off_and_is_its_own(void) {
  struct timeouts t = {WEFT_MS(1), WEFT_SECONDS(3600), 0, 0, 0, 0};
  nest(&t);
  CHECK(t.call == ECANCELED && t.inner_end == ETIMEDOUT && t.second_call == 0 && t.outer_end == 0);
  CHECK(weft_yield() == 0);
}

static void an_outer_timeout_is_not_the_inner_ones(void) {
  struct timeouts t = {WEFT_SECONDS(3600), WEFT_MS(1), 0, 0, 0, 0};
  nest(&t);
  CHECK(t.call == ECANCELED && t.inner_end == 0 && t.second_call == ECANCELED && t.outer_end == ETIMEDOUT);
  CHECK(weft_yield() == 0);
}

static void a_cancelled_fibers_timeouts_did_not_pass(void) {
  struct timeouts t = {WEFT_SECONDS(3600), WEFT_SECONDS(3600), 0, 0, 0, 0};
  weft_fiber *f = NULL;
  CHECK(weft_spawn(&f, nest, &t) == 0);
  weft_yield();
  CHECK(weft_killall(&f, 1, WEFT_FOREVER) == 0);
  CHECK(t.call == ECANCELED && t.inner_end == 0 && t.second_call == ECANCELED && t.outer_end == 0);
  weft_release(f);
}

static void a_timeout_in_time_does_nothing(void) {
  weft_scope t;
  CHECK(weft_timeout_begin(&t, WEFT_SECONDS(3600)) == 0);
  CHECK(weft_yield() == 0);
  CHECK(weft_timeout_end(&t) == 0);
  CHECK(weft_timeout_begin(&t, WEFT_FOREVER) == 0);
  CHECK(weft_sleep(1) == 0);
  CHECK(weft_timeout_end(&t) == 0);
}

static void *renew_scope(void *arg) {
  return weft_timeout_reset(arg, WEFT_MS(1)) == 0 ? NULL : WEFT_CANCELED;
}

static void a_timeout_is_moved_while_it_lasts(void) {
  weft_scope t;
  CHECK(weft_timeout_begin(&t, WEFT_MS(1)) == 0);
  CHECK(weft_timeout_reset(&t, WEFT_FOREVER) == 0);
  CHECK(weft_sleep(WEFT_MS(5)) == 0);
  CHECK(weft_timeout_reset(&t, WEFT_SECONDS(3600)) == 0);
  CHECK(weft_spawn(NULL, renew_scope, &t) == 0);
  CHECK_FAILS(weft_sleep(WEFT_SECONDS(3600)), ECANCELED);
  CHECK(weft_timeout_reset(&t, WEFT_FOREVER) == 0); /* too late: it has passed */
  CHECK_FAILS(weft_yield(), ECANCELED);
  CHECK_FAILS(weft_timeout_end(&t), ETIMEDOUT);
  CHECK_FAILS(weft_timeout_reset(&t, 1), EINVAL);
  CHECK_FAILS(weft_timeout_reset(NULL, 1), EINVAL);
}

static void *cancel_scope(void *arg) {
  return weft_timeout_cancel(arg) == 0 ? NULL : WEFT_CANCELED;
}

static void another_fiber_can_make_a_timeout_pass(void) {
  weft_scope t;
  CHECK(weft_timeout_begin(&t, WEFT_FOREVER) == 0);
  CHECK(weft_spawn(NULL, cancel_scope, &t) == 0);
  CHECK_FAILS(weft_sleep(WEFT_SECONDS(3600)), ECANCELED);
  CHECK_FAILS(weft_timeout_end(&t), ETIMEDOUT);
  CHECK_FAILS(weft_timeout_cancel(&t), EINVAL);
}

static void scopes_end_in_reverse_order(void) {
  weft_scope outer, inner;
  CHECK(weft_timeout_begin(&outer, WEFT_FOREVER) == 0);
  CHECK(weft_shield_begin(&inner) == 0);
  CHECK_FAILS(weft_timeout_end(&outer), EINVAL);
  CHECK(weft_shield_end(&inner) == 0);
  CHECK(weft_timeout_end(&outer) == 0);
  CHECK_FAILS(weft_timeout_begin(NULL, 0), EINVAL);
}

static void *clean_up(void *arg) {
  int *seen = arg;
  seen[0] = result_of(weft_sleep(WEFT_SECONDS(3600)));
  weft_scope shield;
  weft_shield_begin(&shield);
  seen[1] = result_of(weft_sleep(1));
  weft_shield_end(&shield);
  seen[2] = result_of(weft_sleep(1));
  return NULL;
}

static void clean_up_can_park_inside_a_shield(void) {
  int seen[3] = {-1, -1, -1};
  weft_fiber *f = NULL;
  CHECK(weft_spawn(&f, clean_up, seen) == 0);
  weft_yield();
  CHECK(weft_killall(&f, 1, WEFT_FOREVER) == 0);
  CHECK(seen[0] == ECANCELED && seen[1] == 0 && seen[2] == ECANCELED);
  weft_release(f);
}

static void *wait_for_event(void *arg) { return (void *)(intptr_t)result_of(weft_event_wait(arg, WEFT_FOREVER)); }

static void an_event_wakes_all_its_waiters(void) {
  weft_event *e = weft_event_create();
  weft_fiber *f[2];
  void *result = WEFT_CANCELED;
  CHECK(e != NULL && weft_event_is_set(e) == 0);
  CHECK_FAILS(weft_event_wait(e, 0), ETIMEDOUT);
  CHECK_FAILS(weft_event_wait(e, WEFT_MS(1)), ETIMEDOUT);
  for (int i = 0; i < 2; ++i) CHECK(weft_spawn(&f[i], wait_for_event, e) == 0);
  weft_yield();
  CHECK(weft_event_set(e) == 0 && weft_event_is_set(e) == 1);
  CHECK(weft_event_clear(e) == 0);
  for (int i = 0; i < 2; ++i) {
    CHECK(weft_join(f[i], &result) == 0);
    CHECK(result == NULL);
    weft_release(f[i]);
  }
  CHECK_FAILS(weft_event_wait(e, 0), ETIMEDOUT);
  CHECK(weft_event_set(e) == 0);
  CHECK(weft_event_wait(e, 0) == 0);
  CHECK(weft_event_wait(e, WEFT_FOREVER) == 0);
  weft_event_destroy(e);
  weft_event_destroy(NULL);
}

static void a_cancelled_waiter_leaves_the_event(void) {
  weft_event *e = weft_event_create();
  weft_fiber *f = NULL;
  void *result = NULL;
  CHECK(weft_spawn(&f, wait_for_event, e) == 0);
  weft_yield();
  CHECK(weft_cancel(f) == 0);
  CHECK(weft_join(f, &result) == 0);
  CHECK(result == (void *)(intptr_t)ECANCELED);
  weft_release(f);
  CHECK(weft_event_set(e) == 0);
  weft_event_destroy(e);
}

struct slot {
  weft_semaphore *semaphore;
  int *now, *most;
};

static void *use_slot(void *arg) {
  struct slot *s = arg;
  if (weft_semaphore_acquire(s->semaphore, WEFT_FOREVER) != 0) return WEFT_CANCELED;
  if (++*s->now > *s->most) *s->most = *s->now;
  weft_yield();
  --*s->now;
  weft_semaphore_release(s->semaphore, 1);
  return NULL;
}

static void a_semaphore_bounds_how_many_run(void) {
  int now = 0, most = 0;
  struct slot s = {weft_semaphore_create(3), &now, &most};
  weft_fiber *f[10];
  for (int i = 0; i < 10; ++i) CHECK(weft_spawn(&f[i], use_slot, &s) == 0);
  CHECK(weft_joinall(f, 10, WEFT_FOREVER) == 0);
  for (int i = 0; i < 10; ++i) weft_release(f[i]);
  CHECK(most == 3 && now == 0);
  CHECK(weft_semaphore_value(s.semaphore) == 3);
  for (int i = 0; i < 3; ++i) CHECK(weft_semaphore_acquire(s.semaphore, 0) == 0);
  CHECK_FAILS(weft_semaphore_acquire(s.semaphore, 0), ETIMEDOUT);
  CHECK_FAILS(weft_semaphore_acquire(s.semaphore, WEFT_MS(1)), ETIMEDOUT);
  CHECK(weft_semaphore_release(s.semaphore, 2) == 0);
  CHECK(weft_semaphore_value(s.semaphore) == 2);
  weft_semaphore_destroy(s.semaphore);
  weft_semaphore_destroy(NULL);
}

int main(void) {
  static const struct test_case cases[] = {
      {"a timeout is moved while it lasts", a_timeout_is_moved_while_it_lasts},
      {"a timeout cuts off what it surrounds, and only that", a_timeout_cuts_off_and_is_its_own},
      {"an outer timeout is not the inner one's", an_outer_timeout_is_not_the_inner_ones},
      {"a cancelled fiber's timeouts did not pass", a_cancelled_fibers_timeouts_did_not_pass},
      {"a timeout in time does nothing", a_timeout_in_time_does_nothing},
      {"another fiber can make a timeout pass", another_fiber_can_make_a_timeout_pass},
      {"scopes end in the reverse order", scopes_end_in_reverse_order},
      {"clean-up can park inside a shield", clean_up_can_park_inside_a_shield},
      {"an event wakes all its waiters", an_event_wakes_all_its_waiters},
      {"a cancelled waiter leaves the event", a_cancelled_waiter_leaves_the_event},
      {"a semaphore bounds how many run", a_semaphore_bounds_how_many_run},
  };
  return RUN_CASES(cases);
}
