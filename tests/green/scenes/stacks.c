/* Stacks: sizes, guards, those that the program brings, and what a thread is told of its own. */
#include <alloca.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "../green.h"

#define GROUP "stacks"

static void say_attr(const pthread_attr_t *attr) {
  size_t size, guard;
  int detach;
  OK(pthread_attr_getstacksize(attr, &size));
  OK(pthread_attr_getguardsize(attr, &guard));
  OK(pthread_attr_getdetachstate(attr, &detach));
  say("stack %zu, guard %zu, %s", size, guard, detach == PTHREAD_CREATE_DETACHED ? "detached" : "joinable");
}

static void *look_at_self(void *arg) {
  pthread_attr_t attr;
  void *at;
  size_t size;
  char here;
  OK(pthread_getattr_np(pthread_self(), &attr));
  say_attr(&attr);
  OK(pthread_attr_getstack(&attr, &at, &size));
  say("%s", &here >= (char *)at && &here < (char *)at + size ? "on it" : "elsewhere");
  if (arg != NULL) say("where it was put: %d", at == arg);
  OK(pthread_attr_destroy(&attr));
  return NULL;
}

PLAY(default_stack) {
  pthread_attr_t attr;
  OK(pthread_attr_init(&attr));
  say_attr(&attr);
  OK(pthread_getattr_default_np(&attr));
  say_attr(&attr);
  finish(start(look_at_self, NULL));
}

PLAY(sizes_and_guards) {
  const size_t sizes[] = {PTHREAD_STACK_MIN, 32768, 65536, 100000, 1 << 20, 64 << 20};
  static const size_t guards[] = {0, 4096, 10000, 65536};
  for (unsigned s = 0; s < sizeof sizes / sizeof sizes[0]; ++s)
    for (unsigned g = 0; g < sizeof guards / sizeof guards[0]; ++g) {
      if (guards[g] >= sizes[s]) continue;
      pthread_attr_t attr;
      OK(pthread_attr_init(&attr));
      OK(pthread_attr_setstacksize(&attr, sizes[s]));
      OK(pthread_attr_setguardsize(&attr, guards[g]));
      pthread_t t;
      say("%zu with %zu", sizes[s], guards[g]);
      OK(pthread_create(&t, &attr, look_at_self, NULL));
      finish(t);
    }
}

PLAY(attributes_that_are_refused) {
  have_company();
  pthread_attr_t attr;
  OK(pthread_attr_init(&attr));
  DO_ERROR(pthread_attr_setstacksize(&attr, 1000));
  DO_ERROR(pthread_attr_setstack(&attr, (void *)4096, 1000));
  DO_ERROR(pthread_attr_setdetachstate(&attr, 77));
  OK(pthread_attr_setstacksize(&attr, (size_t)1 << 47)); /* more than addresses: refused however memory is overcommitted */
  pthread_t t;
  DO_ERROR(pthread_create(&t, &attr, look_at_self, NULL));
}

static void *fill(void *arg) {
  const size_t size = (size_t)(long)arg;
  volatile char *p = alloca(size);
  for (size_t i = 0; i < size; i += 512) p[i] = (char)i;
  usleep(500);
  long sum = 0;
  for (size_t i = 0; i < size; i += 512) sum += p[i] == (char)i;
  return (void *)sum;
}

PLAY(stacks_used_to_their_depth) {
  static const size_t sizes[] = {32768, 65536, 262144, 1 << 20, 8 << 20, 64 << 20};
  for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
    pthread_attr_t attr;
    OK(pthread_attr_init(&attr));
    OK(pthread_attr_setstacksize(&attr, sizes[i]));
    say("%ld", (long)finish(start_with(&attr, fill, (void *)(sizes[i] - 20000))));
  }
}

PLAY(several_deep_ones_at_once) {
  pthread_t all[6];
  for (int i = 0; i < 6; ++i) all[i] = start(fill, (void *)(7L << 20));
  for (int i = 0; i < 6; ++i) say("%ld", (long)finish(all[i]));
}

static void *little(void *arg) {
  char text[200];
  snprintf(text, sizeof text, "%ld", (long)arg);
  usleep(200);
  return (void *)(long)atoi(text);
}

PLAY(the_smallest_stacks) {
  pthread_attr_t attr;
  pthread_t all[50];
  long sum = 0;
  OK(pthread_attr_init(&attr));
  OK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN));
  for (long i = 0; i < 50; ++i) all[i] = start_with(&attr, little, (void *)i);
  for (int i = 0; i < 50; ++i) sum += (long)finish(all[i]);
  say("%ld", sum);
}

PLAY(stacks_that_the_program_brings) {
  enum { size = 1 << 17 };
  pthread_attr_t attr;
  char *own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *allocated;
  if (posix_memalign((void **)&allocated, 4096, size) != 0) abort();
  OK(pthread_attr_init(&attr));
  for (int i = 0; i < 3; ++i) {
    OK(pthread_attr_setstack(&attr, own, size));
    finish(start_with(&attr, look_at_self, own));
    OK(pthread_attr_setstack(&attr, allocated, size));
    finish(start_with(&attr, look_at_self, allocated));
  }
  /* After the join it is the program's again. */
  DO(munmap(own, size));
  memset(allocated, 1, size);
  free(allocated);
  say("over");
}

PLAY(a_default_size_of_the_programs_own) {
  pthread_attr_t attr;
  OK(pthread_attr_init(&attr));
  OK(pthread_attr_setstacksize(&attr, 300000));
  OK(pthread_setattr_default_np(&attr));
  finish(start(look_at_self, NULL));
}

static void *sizes_of_other(void *arg) {
  sleep(1000);
  return arg;
}

PLAY(looking_at_another) {
  pthread_attr_t attr;
  pthread_t t = start(sizes_of_other, NULL);
  OK(pthread_getattr_np(t, &attr));
  say_attr(&attr);
  OK(pthread_detach(t));
  OK(pthread_getattr_np(t, &attr));
  say_attr(&attr);
}

PLAY(mains_own_stack) {
  have_company();
  const struct rlimit limit = {8 << 20, RLIM_INFINITY};
  setrlimit(RLIMIT_STACK, &limit);
  pthread_attr_t attr;
  void *at;
  size_t size;
  char here;
  OK(pthread_getattr_np(pthread_self(), &attr));
  OK(pthread_attr_getstack(&attr, &at, &size));
  say("%s, %s", &here >= (char *)at && &here < (char *)at + size ? "on it" : "elsewhere",
      size > (7 << 20) && size <= (8 << 20) ? "of the limit's size" : "of another size");
  say("%ld", (long)fill((void *)(5L << 20)));
}

/* Each thread's stack is its own, and its words stay where they are across waits. */
static void *keep_words(void *arg) {
  volatile long words[1000];
  for (int i = 0; i < 1000; ++i) words[i] = (long)arg * 1000 + i;
  for (int round = 0; round < 5; ++round) {
    usleep(100);
    for (int i = 0; i < 1000; ++i)
      if (words[i] != (long)arg * 1000 + i) return (void *)1L;
  }
  return NULL;
}

PLAY(words_on_100_stacks) {
  pthread_t all[100];
  long wrong = 0;
  for (long i = 0; i < 100; ++i) all[i] = start(keep_words, (void *)i);
  for (int i = 0; i < 100; ++i) wrong += (long)finish(all[i]);
  say("%ld wrong", wrong);
}

/* Address space that is limited goes to the stacks, not into what somebody might need one day. */
PLAY(stacks_in_a_limited_space) {
  const struct rlimit limit = {800 << 20, 800 << 20};
  pthread_t all[20];
  DO(setrlimit(RLIMIT_AS, &limit));
  for (long i = 0; i < 20; ++i) all[i] = start(keep_words, (void *)i);
  for (int i = 0; i < 20; ++i) finish(all[i]);
}

/* A stack that served one thread serves the next one: nothing of it can be relied on but that it works. */
PLAY(stacks_in_turn) {
  long sum = 0;
  for (int i = 0; i < 100; ++i) sum += (long)finish(start(fill, (void *)(100000L + i * 1000)));
  say("%ld", sum);
}
