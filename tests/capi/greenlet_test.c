/* weft.h: greenlets. */
#include <stdint.h>
#include <weft/weft.h>

#include "check.h"

static void *twice(void *root, void *first) {
  void *v = first;
  while (v != NULL) CHECK(weft_greenlet_switch(root, (void *)(2 * (intptr_t)v), &v) == 0);
  return (void *)-1;
}

static void values_travel_both_ways(void) {
  weft_greenlet *root = weft_greenlet_current();
  weft_greenlet *g = weft_greenlet_create(twice, root, 0);
  void *got = NULL;
  for (intptr_t i = 1; i < 100; ++i) {
    CHECK(weft_greenlet_switch(g, (void *)i, &got) == 0);
    CHECK((intptr_t)got == 2 * i);
  }
  CHECK(!weft_greenlet_dead(g));
  CHECK(weft_greenlet_switch(g, NULL, &got) == 0);
  CHECK((intptr_t)got == -1);
  CHECK(weft_greenlet_dead(g));
  CHECK(weft_greenlet_switch(g, &got, &got) == 0);
  CHECK(got == &got);
  weft_greenlet_release(g);
  weft_greenlet_release(root);
}

static weft_greenlet *foreign;

static void *use_foreign(void *arg) {
  CHECK_FAILS(weft_greenlet_switch(foreign, NULL, NULL), EPERM);
  return arg;
}

static void another_fibers_greenlet_is_refused(void) {
  weft_fiber *f;
  foreign = weft_greenlet_create(twice, NULL, 16384);
  CHECK(weft_spawn(&f, use_foreign, NULL) == 0);
  CHECK(weft_join(f, NULL) == 0);
  weft_release(f);
  weft_greenlet_release(foreign);
  CHECK(weft_greenlet_create(NULL, NULL, 0) == NULL && errno == EINVAL);
  CHECK_FAILS(weft_greenlet_switch(NULL, NULL, NULL), EINVAL);
}

int main(void) {
  static const struct test_case cases[] = {
      {"values travel both ways", values_travel_both_ways},
      {"another fiber's greenlet is refused", another_fibers_greenlet_is_refused},
  };
  return RUN_CASES(cases);
}
