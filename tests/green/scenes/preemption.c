/* Threads that compute, and others that must get on meanwhile: with one carrier only preemption lets them, wherever it strikes. */
#include <fenv.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "preemption"

enum { crowd = 6 };

static atomic_int flag, count;

static void *spin_for_flag(void *arg) {
  while (!atomic_load(&flag)) {}
  return arg;
}

static void *raise_flag(void *arg) {
  atomic_store(&flag, 1);
  return arg;
}

PLAY(spinning_until_another_thread_stores) {
  pthread_t spinner = start(spin_for_flag, NULL);
  finish(start(raise_flag, NULL));
  finish(spinner);
  say("over");
}

PLAY(main_spins_until_a_thread_stores) {
  pthread_t t = start(raise_flag, NULL);
  spin_for_flag(NULL);
  finish(t);
  say("over");
}

static void *spin_yielding(void *arg) {
  while (!atomic_load(&flag)) sched_yield();
  return arg;
}

PLAY(yielding_until_another_thread_stores) {
  pthread_t all[4];
  for (int i = 0; i < 4; ++i) all[i] = start(spin_yielding, NULL);
  finish(start(raise_flag, NULL));
  for (int i = 0; i < 4; ++i) finish(all[i]);
  say("over");
}

static void *count_calls(void *arg) {
  while (!atomic_load(&flag)) syscall(SYS_getppid);
  return arg;
}

PLAY(spinning_on_system_calls) {
  pthread_t spinner = start(count_calls, NULL);
  finish(start(raise_flag, NULL));
  finish(spinner);
  say("over");
}

static void *watch_the_clock(void *arg) {
  struct timespec now, end = from_now(CLOCK_MONOTONIC, 40 * MS);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
  return arg;
}

static void *sleep_shortly(void *arg) {
  for (int i = 0; i < 5; ++i) usleep(100);
  atomic_fetch_add(&count, 1);
  return arg;
}

PLAY(sleepers_beside_watchers_of_the_clock) {
  pthread_t watchers[3], sleepers[3];
  for (int i = 0; i < 3; ++i) watchers[i] = start(watch_the_clock, NULL);
  for (int i = 0; i < 3; ++i) sleepers[i] = start(sleep_shortly, NULL);
  for (int i = 0; i < 3; ++i) finish(sleepers[i]);
  say("%d slept", atomic_load(&count));
  for (int i = 0; i < 3; ++i) finish(watchers[i]);
}

/* -- inside malloc */

static void *allocate(void *arg) {
  unsigned seed = (unsigned)(long)arg + 1, sum = 0;
  char *kept[64] = {0};
  for (int i = 0; i < 60000; ++i) {
    seed = seed * 1664525u + 1013904223u;
    char **slot = &kept[(seed >> 8) % 64];
    if (*slot != NULL) sum += (unsigned char)**slot;
    free(*slot);
    const size_t size = (seed >> 16) % 5000 + 1;
    *slot = malloc(size);
    memset(*slot, (int)(seed >> 24), size);
  }
  for (int i = 0; i < 64; ++i) free(kept[i]);
  return (void *)(long)sum;
}

PLAY(allocating_in_a_crowd) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(allocate, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) say("%ld", (long)finish(all[i]));
}

/* Blocks go from hand to hand, so that one thread frees into an arena that another was interrupted in. */
static _Atomic(char *) shared_blocks[32];

static void *exchange_blocks(void *arg) {
  unsigned seed = (unsigned)(long)arg * 77 + 1;
  for (int i = 0; i < 60000; ++i) {
    seed = seed * 1664525u + 1013904223u;
    char *mine = malloc((seed >> 16) % 3000 + 1);
    mine[0] = 1;
    free(atomic_exchange(&shared_blocks[(seed >> 8) % 32], mine));
  }
  return NULL;
}

PLAY(freeing_what_others_allocated) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(exchange_blocks, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) finish(all[i]);
  for (int i = 0; i < 32; ++i) free(atomic_load(&shared_blocks[i]));
  say("over");
}

static int pair[2];

static void *allocate_and_wait(void *arg) {
  for (int i = 0; i < 300; ++i) {
    char *p = malloc((size_t)(i * 37 % 70000) + 1);
    p[0] = 'm';
    MUST(write(pair[1], p, 1));
    free(p);
  }
  return arg;
}

static void *read_allocating(void *arg) {
  for (int i = 0; i < 300; ++i) {
    char *p = malloc((size_t)(i * 53 % 70000) + 1);
    MUST(read(pair[0], p, 1));
    free(p);
  }
  return arg;
}

/* One parks while others, computing in malloc, are interrupted. */
PLAY(parking_beside_those_who_allocate) {
  unix_pair(SOCK_STREAM, pair);
  pthread_t all[4];
  for (int i = 0; i < 2; ++i) all[i] = start(allocate, (void *)(long)i);
  all[2] = start(read_allocating, NULL);
  all[3] = start(allocate_and_wait, NULL);
  for (int i = 0; i < 2; ++i) say("%ld", (long)finish(all[i]));
  finish(all[2]);
  finish(all[3]);
}

/* -- inside stdio */

static FILE *shared;

static void *print_lines(void *arg) {
  for (int i = 0; i < 20000; ++i) fprintf(shared, "thread %c writes %d and %s\n", 'a' + (int)(long)arg, i, "some words");
  return NULL;
}

PLAY(printing_in_a_crowd) {
  shared = fdopen(disk_file(0), "w+");
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(print_lines, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) finish(all[i]);
  rewind(shared);
  char line[200], word[20];
  int next[crowd] = {0}, wrong = 0, lines = 0, n;
  char who;
  while (fgets(line, sizeof line, shared) != NULL) {
    ++lines;
    const int whole = sscanf(line, "thread %c writes %d and some %19s", &who, &n, word) == 3 && who >= 'a' && who < 'a' + crowd;
    wrong += !whole || next[who - 'a']++ != n;
  }
  say("%d lines, %d wrong", lines, wrong);
}

/* -- holding a lock */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long plain_count;

static void *add_under_lock(void *arg) {
  for (int i = 0; i < 200; ++i) {
    pthread_mutex_lock(&mutex);
    const long before = plain_count;
    for (volatile int j = 0; j < 3000; ++j) {}
    plain_count = before + 1;
    pthread_mutex_unlock(&mutex);
  }
  return arg;
}

PLAY(computing_under_a_mutex) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(add_under_lock, NULL);
  for (int i = 0; i < crowd; ++i) finish(all[i]);
  say("%ld", plain_count);
}

static pthread_spinlock_t spin;

static void *add_under_spin(void *arg) {
  for (int i = 0; i < 40; ++i) {
    pthread_spin_lock(&spin);
    const long before = plain_count;
    for (volatile int j = 0; j < 20000; ++j) {}
    plain_count = before + 1;
    pthread_spin_unlock(&spin);
  }
  return arg;
}

/* More who spin than there are processors. */
PLAY(spin_lock_with_many_spinners) {
  OK(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE));
  pthread_t all[8];
  for (int i = 0; i < 8; ++i) all[i] = start(add_under_spin, NULL);
  for (int i = 0; i < 8; ++i) finish(all[i]);
  say("%ld", plain_count);
}

static void *add_atomically(void *arg) {
  for (int i = 0; i < 400000; ++i) atomic_fetch_add(&count, 1);
  return arg;
}

PLAY(counting_atomically) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(add_atomically, NULL);
  for (int i = 0; i < crowd; ++i) finish(all[i]);
  say("%d", atomic_load(&count));
}

/* -- registers */

static void *sum_doubles(void *arg) {
  double x = 1.0 + (double)(long)arg, sum = 0;
  for (int i = 1; i < 3000000; ++i) {
    sum += x / i;
    x = x * 1.0000001;
  }
  long bits;
  memcpy(&bits, &sum, sizeof bits);
  return (void *)bits;
}

PLAY(floating_point_in_a_crowd) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(sum_doubles, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) say("%lx", (long)finish(all[i]));
}

static void *sum_long_doubles(void *arg) {
  long double x = 1.0L + (long double)(long)arg, sum = 0;
  for (int i = 1; i < 2000000; ++i) sum += x / i;
  return (void *)(long)(sum * 1e9L);
}

PLAY(x87_in_a_crowd) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(sum_long_doubles, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) say("%ld", (long)finish(all[i]));
}

__attribute__((target("avx2"))) static void *mix_wide(void *arg) {
  __m256i a = _mm256_set1_epi32((int)(long)arg + 3), b = _mm256_set1_epi32(12345), c = _mm256_set1_epi64x(77), d = a;
  for (int i = 0; i < 2000000; ++i) {
    a = _mm256_add_epi32(_mm256_mullo_epi32(a, b), c);
    d = _mm256_xor_si256(d, _mm256_slli_epi32(a, 3));
    c = _mm256_add_epi64(c, d);
  }
  unsigned out[8], sum = 0;
  _mm256_storeu_si256((__m256i *)out, _mm256_xor_si256(c, d));
  for (int i = 0; i < 8; ++i) sum = sum * 31 + out[i];
  return (void *)(long)sum;
}

PLAY(wide_registers_in_a_crowd) {
  if (!__builtin_cpu_supports("avx2")) return;
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(mix_wide, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) say("%ld", (long)finish(all[i]));
}

static void *round_as_told(void *arg) {
  static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  const int mode = modes[(long)arg % 4];
  if (fegetround() != FE_TONEAREST) return (void *)-1L;
  fesetround(mode);
  volatile double one = 1, three = 3;
  for (int i = 0; i < 20; ++i) {
    compute(1);
    usleep(100);
    if (fegetround() != mode) return (void *)-2L;
  }
  const double third = one / three;
  long bits;
  memcpy(&bits, &third, sizeof bits);
  const long double wide = (long double)one / three;
  return (void *)(bits ^ (long)(wide * 1e18L));
}

/* The rounding mode (in MXCSR and in the x87 control word) is a thread's own, and a new thread has its creator's. */
PLAY(rounding_modes) {
  pthread_t all[8];
  for (int i = 0; i < 8; ++i) all[i] = start(round_as_told, (void *)(long)i);
  for (int i = 0; i < 8; ++i) say("%lx", (long)finish(all[i]));
  say("%d", fegetround() == FE_TONEAREST);
}

static void *keep_errno(void *arg) {
  const int mine = 1000 + (int)(long)arg;
  errno = mine;
  for (int i = 0; i < 30; ++i) {
    compute(1);
    if (errno != mine) return (void *)1L;
    usleep(100);
    errno = mine;
  }
  return NULL;
}

PLAY(errno_of_each) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(keep_errno, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) say("%ld", (long)finish(all[i]));
}

static __thread unsigned own_variable;

static void *use_thread_local(void *arg) {
  for (int i = 0; i < 2000000; ++i) own_variable = own_variable * 1664525u + (unsigned)(long)arg + 1;
  return (void *)(long)own_variable;
}

PLAY(thread_locals_in_a_crowd) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(use_thread_local, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) say("%ld", (long)finish(all[i]));
}

static void *move_memory(void *arg) {
  char *a = malloc(100000), *b = malloc(100000);
  for (int i = 0; i < 100000; ++i) a[i] = (char)(i * ((int)(long)arg + 1));
  for (int i = 0; i < 600; ++i) {
    memcpy(b, a, 100000 - (size_t)i);
    memmove(a + 1, b, 100000 - (size_t)i - 1);
    a[0] = (char)i;
  }
  unsigned sum = 0;
  for (int i = 0; i < 100000; ++i) sum = sum * 31 + (unsigned char)a[i];
  free(a);
  free(b);
  return (void *)(long)sum;
}

PLAY(copying_in_a_crowd) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(move_memory, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) say("%ld", (long)finish(all[i]));
}

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void *sort(void *arg) {
  enum { size = 60000 };
  int *v = malloc(size * sizeof *v);
  unsigned seed = (unsigned)(long)arg + 1;
  for (int i = 0; i < size; ++i) v[i] = (int)((seed = seed * 1664525u + 1013904223u) >> 4);
  qsort(v, size, sizeof *v, by_value);
  unsigned sum = 0;
  for (int i = 0; i < size; ++i) sum = sum * 31 + (unsigned)v[i] + (i > 0 && v[i] < v[i - 1]);
  free(v);
  return (void *)(long)sum;
}

PLAY(sorting_in_a_crowd) {
  pthread_t all[crowd];
  for (int i = 0; i < crowd; ++i) all[i] = start(sort, (void *)(long)i);
  for (int i = 0; i < crowd; ++i) say("%ld", (long)finish(all[i]));
}

/* -- who computes without an end is ended by the process */

static void *forever(void *arg) {
  for (;;) __asm__ volatile("");
  return arg;
}

PLAY_ENDS(leaving_those_who_never_end, "exit 5") {
  for (int i = 0; i < 3; ++i) start(forever, NULL);
  finish(start(raise_flag, NULL));
  say("leaving");
  exit(5);
}

static void *relay(void *arg) {
  for (int i = 0; i < 100; ++i) {
    while (atomic_load(&count) % 3 != (int)(long)arg) sched_yield();
    atomic_fetch_add(&count, 1);
  }
  return NULL;
}

PLAY(taking_turns_by_yielding) {
  pthread_t all[3];
  for (int i = 0; i < 3; ++i) all[i] = start(relay, (void *)(long)i);
  for (int i = 0; i < 3; ++i) finish(all[i]);
  say("%d", atomic_load(&count));
}
