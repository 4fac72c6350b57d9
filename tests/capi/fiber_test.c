/* weft.h: spawning, joining, cancelling. */
#include <stdlib.h>
#include <weft/weft.h>

#include "check.h"

static int order[8];
static int steps;

static void *add_one(void *arg) { return (char *)arg + 1; }

static void *note(void *arg) {
  order[steps++] = (int)(intptr_t)arg;
  return NULL;
}

static void *sleep_long(void *arg) {
  *(int *)arg = weft_sleep(WEFT_SECONDS(3600)) == -1 ? errno : 0;
  return arg;
}

static void *sleep_twice(void *arg) {
  int *seen = arg;
  seen[0] = weft_sleep(WEFT_SECONDS(3600)) == -1 ? errno : 0;
  seen[1] = weft_yield() == -1 ? errno : 0;
  seen[2] = weft_cancel_due();
  return NULL;
}

static void *join_myself(void *arg) {
  *(int *)arg = weft_join(weft_current(), NULL) == -1 ? errno : 0;
  return NULL;
}

static void *spoil_errno(void *arg) {
  (void)arg;
  errno = ENOENT;
  weft_yield();
  return (void *)(intptr_t)errno;
}

static void *name_of_current(void *arg) {
  (void)arg;
  char *copy = malloc(64);
  if (copy != NULL) snprintf(copy, 64, "%s", weft_name(weft_current()));
  return copy;
}

static void join_gives_what_the_function_returned(void) {
  char text[2] = "x";
  weft_fiber *f = NULL;
  void *result = NULL;
  CHECK(weft_spawn(&f, add_one, text) == 0);
  CHECK(weft_done(f) == 0);
  CHECK(weft_join(f, &result) == 0);
  CHECK(result == text + 1);
  CHECK(weft_done(f) == 1);
  result = NULL;
  CHECK(weft_join(f, &result) == 0);
  CHECK(result == text + 1);
  CHECK(weft_join(f, NULL) == 0);
  weft_release(f);
}

static void fibers_start_in_order_and_not_at_once(void) {
  weft_fiber *f[3];
  steps = 0;
  for (int i = 0; i < 3; ++i) CHECK(weft_spawn(&f[i], note, (void *)(intptr_t)(i + 1)) == 0);
  CHECK(steps == 0);
  CHECK(weft_joinall(f, 3, WEFT_FOREVER) == 0);
  CHECK(steps == 3 && order[0] == 1 && order[1] == 2 && order[2] == 3);
  for (int i = 0; i < 3; ++i) weft_release(f[i]);
}

static void a_fiber_without_handle_runs_too(void) {
  steps = 0;
  CHECK(weft_spawn(NULL, note, (void *)7) == 0);
  CHECK(weft_yield() == 0);
  CHECK(steps == 1 && order[0] == 7);
}

static void cancel_ends_a_sleep_with_ecanceled(void) {
  int seen = 0;
  void *result = NULL;
  weft_fiber *f = NULL;
  CHECK(weft_spawn(&f, sleep_long, &seen) == 0);
  CHECK(weft_yield() == 0);
  CHECK(weft_cancel(f) == 0);
  CHECK(weft_join(f, &result) == 0);
  CHECK(seen == ECANCELED);
  CHECK(result == &seen);
  weft_release(f);
}

static void cancellation_is_sticky(void) {
  int seen[3] = {0, 0, 0};
  weft_fiber *f = NULL;
  CHECK(weft_spawn(&f, sleep_twice, seen) == 0);
  CHECK(weft_yield() == 0);
  CHECK(weft_killall(&f, 1, WEFT_FOREVER) == 0);
  CHECK(seen[0] == ECANCELED && seen[1] == ECANCELED && seen[2] == 1);
  CHECK(weft_cancel_due() == 0);
  weft_release(f);
}

static void a_fiber_cancelled_before_it_began_never_runs(void) {
  weft_fiber *f = NULL;
  void *result = NULL;
  steps = 0;
  CHECK(weft_spawn(&f, note, NULL) == 0);
  CHECK(weft_cancel(f) == 0);
  CHECK(weft_join(f, &result) == 0);
  CHECK(result == WEFT_CANCELED);
  CHECK(steps == 0);
  weft_release(f);
}

static void joins_time_out(void) {
  int seen = 0;
  weft_fiber *f = NULL;
  CHECK(weft_spawn(&f, sleep_long, &seen) == 0);
  CHECK_FAILS(weft_join_for(f, NULL, 0), ETIMEDOUT);
  CHECK_FAILS(weft_join_for(f, NULL, WEFT_MS(1)), ETIMEDOUT);
  CHECK_FAILS(weft_joinall(&f, 1, 0), ETIMEDOUT);
  CHECK_FAILS(weft_joinall(&f, 1, WEFT_MS(1)), ETIMEDOUT);
  CHECK(seen == 0);
  CHECK(weft_killall(&f, 1, WEFT_FOREVER) == 0);
  CHECK(weft_joinall(&f, 1, 0) == 0);
  CHECK(weft_join_for(f, NULL, 0) == 0);
  weft_release(f);
}

static void joining_oneself_is_edeadlk(void) {
  int seen = 0;
  weft_fiber *f = NULL;
  CHECK(weft_spawn(&f, join_myself, &seen) == 0);
  CHECK(weft_join(f, NULL) == 0);
  CHECK(seen == EDEADLK);
  weft_release(f);
  weft_fiber *self = weft_current();
  CHECK_FAILS(weft_join(self, NULL), EDEADLK);
  CHECK_FAILS(weft_join_for(self, NULL, 0), EDEADLK);
}

static void errno_is_the_fibers_own(void) {
  weft_fiber *f = NULL;
  void *result = NULL;
  CHECK(weft_spawn(&f, spoil_errno, NULL) == 0);
  errno = EXDEV;
  CHECK(weft_yield() == 0);
  CHECK(errno == EXDEV);
  CHECK(weft_join(f, &result) == 0);
  CHECK(result == (void *)(intptr_t)ENOENT);
  weft_release(f);
}

static void options_give_a_name_and_a_stack(void) {
  weft_fiber *f = NULL;
  void *result = NULL;
  const weft_spawn_options options = {"worker", 1 << 20};
  CHECK(weft_spawn_with(&f, &options, name_of_current, NULL) == 0);
  CHECK(strcmp(weft_name(f), "worker") == 0);
  CHECK(weft_join(f, &result) == 0);
  CHECK(result != NULL && strcmp(result, "worker") == 0);
  free(result);
  weft_release(f);
  CHECK(strcmp(weft_name(weft_current()), "main") == 0);
}

static void a_retained_handle_outlives_the_first_one(void) {
  weft_fiber *f = NULL;
  char text[2] = "x";
  void *result = NULL;
  CHECK(weft_spawn(&f, add_one, text) == 0);
  CHECK(weft_retain(f) == f);
  weft_release(f);
  CHECK(weft_join(f, &result) == 0);
  CHECK(result == text + 1);
  weft_release(f);
  weft_release(NULL);
}

static void bad_arguments_are_einval(void) {
  weft_fiber *none = NULL;
  CHECK_FAILS(weft_spawn(NULL, NULL, NULL), EINVAL);
  CHECK_FAILS(weft_join(NULL, NULL), EINVAL);
  CHECK_FAILS(weft_joinall(&none, 1, 0), EINVAL);
  CHECK_FAILS(weft_killall(&none, 1, 0), EINVAL);
  CHECK_FAILS(weft_cancel(NULL), EINVAL);
  CHECK(weft_joinall(NULL, 0, 0) == 0);
  CHECK(weft_retain(NULL) == NULL);
}

static void stacks_that_cannot_be_had_are_enomem(void) {
  const weft_spawn_options huge = {"huge", (size_t)1 << 50};
  weft_fiber *f = NULL;
  CHECK_FAILS(weft_spawn_with(&f, &huge, add_one, NULL), ENOMEM);
  CHECK(f == NULL);
}

static void waiting_for_what_can_never_come_is_edeadlk(void) {
  weft_event *e = weft_event_create();
  CHECK_FAILS(weft_event_wait(e, WEFT_FOREVER), EDEADLK);
  weft_event_destroy(e);
}

static void statistics_count_fibers(void) {
  weft_stats before, after;
  weft_fiber *f = NULL;
  CHECK(weft_hub_stats(&before) == 0);
  CHECK(weft_spawn(&f, add_one, NULL) == 0);
  CHECK(weft_hub_stats(&after) == 0);
  CHECK(after.fibers_created == before.fibers_created + 1);
  CHECK(after.fibers == before.fibers + 1);
  CHECK(weft_join(f, NULL) == 0);
  CHECK(weft_hub_stats(&after) == 0);
  CHECK(after.fibers == before.fibers);
  CHECK(after.poller != NULL);
  weft_release(f);
  CHECK_FAILS(weft_hub_stats(NULL), EINVAL);
}

static void call_when_over(weft_fiber *fiber, void *arg) {
  CHECK(weft_done(fiber) == 1);
  ++*(int *)arg;
}
static void call_too(weft_fiber *fiber, void *arg) {
  (void)fiber;
  *(int *)arg += 10;
}

static void links_are_taken_back_by_function_and_argument(void) {
  weft_fiber *f = NULL;
  int calls = 0, others = 0, seen = 0;
  CHECK(weft_spawn(&f, sleep_long, &seen) == 0);
  CHECK(weft_unlink(f, call_when_over, &calls) == 0);
  CHECK(weft_link(f, call_when_over, &calls) == 0);
  CHECK(weft_link(f, call_too, &calls) == 0);
  CHECK(weft_link(f, call_when_over, &others) == 0);
  CHECK(weft_link(f, call_when_over, &calls) == 0);
  CHECK(weft_unlink(f, call_when_over, &calls) == 2);
  CHECK(weft_unlink(f, call_when_over, &calls) == 0);
  CHECK(weft_yield() == 0);
  CHECK(weft_killall(&f, 1, WEFT_FOREVER) == 0);
  CHECK(weft_yield() == 0);
  CHECK(calls == 10 && others == 1);
  CHECK(weft_link(f, call_when_over, &calls) == 0);
  CHECK(weft_unlink(f, call_when_over, &calls) == 0);
  CHECK(weft_yield() == 0);
  CHECK(calls == 11);
  CHECK_FAILS(weft_unlink(NULL, call_too, NULL), EINVAL);
  CHECK_FAILS(weft_unlink(f, NULL, NULL), EINVAL);
  weft_release(f);
}

int main(void) {
  static const struct test_case cases[] = {
      {"join gives what the function returned, again and again", join_gives_what_the_function_returned},
      {"fibers start in the order of their spawns, and not at once", fibers_start_in_order_and_not_at_once},
      {"a fiber without a handle runs too", a_fiber_without_handle_runs_too},
      {"cancel ends a sleep with ECANCELED", cancel_ends_a_sleep_with_ecanceled},
      {"cancellation is sticky", cancellation_is_sticky},
      {"a fiber that is cancelled before it began never runs", a_fiber_cancelled_before_it_began_never_runs},
      {"joins time out", joins_time_out},
      {"joining oneself is EDEADLK", joining_oneself_is_edeadlk},
      {"errno is the fiber's own", errno_is_the_fibers_own},
      {"options give a name and a stack", options_give_a_name_and_a_stack},
      {"a retained handle outlives the first one", a_retained_handle_outlives_the_first_one},
      {"bad arguments are EINVAL", bad_arguments_are_einval},
      {"stacks that cannot be had are ENOMEM", stacks_that_cannot_be_had_are_enomem},
      {"waiting for what can never come is EDEADLK", waiting_for_what_can_never_come_is_edeadlk},
      {"links are taken back by function and argument", links_are_taken_back_by_function_and_argument},
      {"statistics count fibers", statistics_count_fibers},
  };
  return RUN_CASES(cases);
}
