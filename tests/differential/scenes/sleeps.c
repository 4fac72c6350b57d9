/* Sleeps of every kind, yielding, and what needs no wait: getrandom. */
#include <sched.h>
#include <sys/random.h>
#include <sys/select.h>

#include "../scene.h"

#define GROUP "sleeps"

static long since(const struct timespec *from) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - from->tv_sec) * 1000 * MS + now.tv_nsec - from->tv_nsec;
}

static void yield_ten_times(void *arg) {
  (void)arg;
  for (int i = 0; i < 10; ++i) QUIETLY(sched_yield());
  DO(sched_yield());
}

SCENE(sleep_forms) {
  part *other = go(yield_ten_times, NULL);
  struct timespec t = {0, 2 * MS}, rest = {7, 7}, before;
  clock_gettime(CLOCK_MONOTONIC, &before);
  DO(nanosleep(&t, NULL));
  DO(nanosleep(&t, &rest));
  say("%ld %ld", (long)rest.tv_sec, rest.tv_nsec);
  DO(usleep(2000));
  DO(usleep(0));
  DO(sleep(0));
  DO_ERROR(clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL));
  DO_ERROR(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rest));
  DO_ERROR(clock_nanosleep(CLOCK_BOOTTIME, 0, &t, NULL));
  DO_ERROR(clock_nanosleep(CLOCK_TAI, 0, &t, NULL));
  say(since(&before) >= 14 * MS ? "not too early" : "too early");
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += 2 * MS;
  if (t.tv_nsec >= 1000 * MS) t = (struct timespec){t.tv_sec + 1, t.tv_nsec - 1000 * MS};
  DO_ERROR(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &rest));
  t = (struct timespec){1, 0};
  DO_ERROR(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
  say("%ld %ld", (long)rest.tv_sec, rest.tv_nsec);
  join(other);
}

SCENE(sleep_errors) {
  struct timespec t = {0, 1000 * MS};
  DO(nanosleep(&t, NULL));
  DO_ERROR(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL));
  t = (struct timespec){-1, 0};
  DO(nanosleep(&t, NULL));
  t = (struct timespec){0, -1};
  DO_ERROR(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
  t = (struct timespec){0, 1};
  DO_ERROR(clock_nanosleep(99, 0, &t, NULL));
  DO_ERROR(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL));
  DO_ERROR(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &t, NULL));
  DO_ERROR(clock_nanosleep(CLOCK_MONOTONIC, 77 & ~TIMER_ABSTIME, &t, NULL));
  DO(nanosleep(bad(), NULL));
  DO_ERROR(clock_nanosleep(CLOCK_MONOTONIC, 0, bad(), NULL));
  DO(nanosleep(&t, bad()));
  usleep(1000);
}

static int asleep, most_asleep;

static void sleep_among_others(void *arg) {
  (void)arg;
  const int now = __atomic_add_fetch(&asleep, 1, __ATOMIC_RELAXED);
  for (int most = most_asleep; most < now;)
    if (__atomic_compare_exchange_n(&most_asleep, &most, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) break;
  usleep(20000);
  __atomic_sub_fetch(&asleep, 1, __ATOMIC_RELAXED);
}

/* Parts that sleep do so at the same time. */
SCENE(sleeps_overlap) {
  part *all[50];
  for (int i = 0; i < 50; ++i) all[i] = go(sleep_among_others, NULL);
  for (int i = 0; i < 50; ++i) join(all[i]);
  say(most_asleep > 1 ? "at once" : "one after the other");
}

static void draw(void *arg) {
  (void)arg;
  unsigned char word[256];
  DO(getrandom(word, sizeof word, 0));
  DO(getrandom(word, sizeof word, GRND_NONBLOCK));
  DO(getrandom(word, 16, GRND_RANDOM));
  DO(getrandom(word, 16, 0x100));
  DO(getrandom(bad(), 16, 0));
  DO(getentropy(word, 16));
  DO(getentropy(word, 257));
}

QUIET_SCENE(random_bytes) { join(go(draw, NULL)); }
