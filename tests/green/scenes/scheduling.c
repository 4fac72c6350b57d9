/* When and where a thread runs: its processor time, policy, niceness and processors. */
#include <stdatomic.h>
#include <sys/resource.h>

#include "../green.h"

#define GROUP "scheduling"

static int pair[2];

static void *wait_in_read(void *arg) {
  char c;
  QUIETLY(read(pair[0], &c, 1) < 0);
  return arg;
}

/* -- clocks */

static long ns_of(clockid_t clock) {
  struct timespec t;
  MUST(clock_gettime(clock, &t));
  return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void *compute_some(void *arg) {
  const long before = ns_of(CLOCK_THREAD_CPUTIME_ID);
  compute((int)(long)arg);
  return (void *)(ns_of(CLOCK_THREAD_CPUTIME_ID) - before);
}

static atomic_int done;

static void *compute_then_wait(void *arg) {
  compute((int)(long)arg);
  atomic_fetch_add(&done, 1);
  char c;
  QUIETLY(read(pair[0], &c, 1) < 0);
  return NULL;
}

PLAY(processor_time_of_threads) {
  unix_pair(SOCK_STREAM, pair);
  pthread_t busy = start(compute_then_wait, (void *)40L), lazy = start(compute_then_wait, (void *)2L);
  while (atomic_load(&done) < 2) usleep(1000);
  clockid_t busy_clock, lazy_clock;
  DO_ERROR(pthread_getcpuclockid(busy, &busy_clock));
  DO_ERROR(pthread_getcpuclockid(lazy, &lazy_clock));
  const long b = ns_of(busy_clock), l = ns_of(lazy_clock), whole = ns_of(CLOCK_PROCESS_CPUTIME_ID);
  say("the busy one more than four times the lazy one: %d", b > 4 * l);
  say("both positive: %d; less than the process's: %d", b > 0 && l > 0, b + l <= whole);
  say("a waiting one's clock stands: %d", ns_of(busy_clock) - b < 2 * MS);
  tell(pair[1]);
  tell(pair[1]);
  finish(busy);
  finish(lazy);
  struct timespec resolution;
  DO(clock_getres(CLOCK_THREAD_CPUTIME_ID, &resolution));
}

PLAY(processor_time_of_oneself) {
  pthread_t a = start(compute_some, (void *)30L), b = start(compute_some, (void *)3L);
  const long more = (long)finish(a), less = (long)finish(b);
  say("%d", more > 4 * less);
}

static void *usage_of_thread(void *arg) {
  struct rusage before, after;
  MUST(getrusage(RUSAGE_THREAD, &before));
  compute((int)(long)arg);
  MUST(getrusage(RUSAGE_THREAD, &after));
  return (void *)((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec);
}

PLAY(usage_of_threads) {
  pthread_t a = start(usage_of_thread, (void *)60L), b = start(usage_of_thread, (void *)5L);
  const long more = (long)finish(a), less = (long)finish(b);
  say("%d", more > 2 * less);
  struct rusage all;
  DO(getrusage(RUSAGE_SELF, &all));
  /* How the kernel divides a time into user's and system's it guesses anew for each question. */
  const long whole = (all.ru_utime.tv_sec + all.ru_stime.tv_sec) * 1000000 + all.ru_utime.tv_usec + all.ru_stime.tv_usec;
  say("the process's holds it: %d", whole + 20000 >= more);
  DO(getrusage(77, &all));
}

/* -- scheduling */

static void *look_at_schedule(void *arg) {
  int policy;
  struct sched_param p;
  cpu_set_t set;
  OK(pthread_getschedparam(pthread_self(), &policy, &p));
  say("policy %d, priority %d", policy, p.sched_priority);
  OK(pthread_getaffinity_np(pthread_self(), sizeof set, &set));
  say("that processor alone: %d", CPU_COUNT(&set) == 1 && CPU_ISSET((int)(long)arg, &set));
  return arg;
}

PLAY(affinity_of_a_thread) {
  cpu_set_t one, before;
  OK(pthread_getaffinity_np(pthread_self(), sizeof before, &before));
  long processor = 0;
  while (!CPU_ISSET(processor, &before)) ++processor;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  pthread_attr_t attr;
  OK(pthread_attr_init(&attr));
  OK(pthread_attr_setaffinity_np(&attr, sizeof one, &one));
  finish(start_with(&attr, look_at_schedule, (void *)processor));
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(wait_in_read, NULL);
  DO_ERROR(pthread_setaffinity_np(t, sizeof one, &one));
  cpu_set_t now;
  CPU_ZERO(&now);
  DO_ERROR(pthread_getaffinity_np(t, sizeof now, &now));
  say("as set: %d", CPU_EQUAL(&now, &one));
  DO(sched_getaffinity(tid_of(t), sizeof now, &now) >= 0);
  say("as set: %d", CPU_EQUAL(&now, &one));
  OK(pthread_getaffinity_np(pthread_self(), sizeof now, &now));
  say("main's as before: %d", CPU_EQUAL(&now, &before));
  CPU_ZERO(&one);
  DO_ERROR(pthread_setaffinity_np(t, sizeof one, &one));
  tell(pair[1]);
  finish(t);
  DO(sched_getaffinity(999999999, sizeof now, &now));
}

/* It must be one of those that the thread chose. */
static void *look_where(void *arg) {
  const long processor = (long)arg;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  OK(pthread_setaffinity_np(pthread_self(), sizeof one, &one));
  int others = 0;
  for (int i = 0; i < 10; ++i, sched_yield()) {
    unsigned by_libc = 0, by_kernel = 0;
    MUST(getcpu(&by_libc, NULL));
    MUST(syscall(SYS_getcpu, &by_kernel, NULL, NULL));
    others += sched_getcpu() != processor || (long)by_libc != processor || (long)by_kernel != processor;
  }
  say("elsewhere %d times", others);
  return arg;
}

PLAY(the_processor_of_a_thread_that_chose_one) {
  cpu_set_t mine;
  OK(pthread_getaffinity_np(pthread_self(), sizeof mine, &mine));
  long first = -1, last = -1;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &mine)) first = first < 0 ? i : first, last = i;
  finish(start(look_where, (void *)first));
  finish(start(look_where, (void *)last));
}

PLAY(policies) {
  struct sched_param p = {0};
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(wait_in_read, NULL);
  let_block(t);
  int policy = -1;
  DO_ERROR(pthread_getschedparam(t, &policy, &p));
  say("%d %d", policy, p.sched_priority);
  DO_ERROR(pthread_setschedparam(t, SCHED_BATCH, &p));
  DO_ERROR(pthread_getschedparam(t, &policy, &p));
  say("%d %d", policy, p.sched_priority);
  DO(sched_getscheduler(tid_of(t)));
  DO(sched_getscheduler(0));
  p.sched_priority = 7;
  DO_ERROR(pthread_setschedparam(t, SCHED_OTHER, &p));
  DO_ERROR(pthread_setschedprio(t, 3));
  DO(sched_get_priority_max(SCHED_FIFO));
  tell(pair[1]);
  finish(t);
}

static void *nice_thread(void *arg) {
  DO(setpriority(PRIO_PROCESS, (id_t)gettid(), 5));
  DO(getpriority(PRIO_PROCESS, 0));
  DO(nice(2));
  return arg;
}

/* On Linux a thread has a niceness of its own. */
PLAY(niceness) {
  finish(start(nice_thread, NULL));
  DO(getpriority(PRIO_PROCESS, 0));
}
