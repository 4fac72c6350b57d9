/* What threads do all day, in a program that knows nothing of Weft: a turn handed over and back through a futex, a pair of semaphores, a
 * condition variable; a thread made and joined; a mutex that nobody else wants. Run natively and by `weft run`, pinned by the caller.
 *
 * Usage: turns ROUNDS. Prints CPU nanoseconds of the process for each, as JSON: per hand-over, per thread, per lock and unlock.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int rounds;

static double cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void start(pthread_t* thread, void* (*run)(void*), intptr_t argument) {
  int error = pthread_create(thread, NULL, run, (void*)argument);
  if (error != 0) {
    fprintf(stderr, "turns: pthread_create: %s\n", strerror(error));
    exit(1);
  }
}

/* CPU nanoseconds a hand-over between two threads that both run `side`. */
static double both(void* (*side)(void*)) {
  pthread_t a, b;
  double began = cpu_ns();
  start(&a, side, 0);
  start(&b, side, 1);
  pthread_join(a, NULL);
  pthread_join(b, NULL);
  return (cpu_ns() - began) / (2.0 * rounds);
}

static atomic_int turn;

static void* by_futex(void* argument) {
  int me = (int)(intptr_t)argument;
  for (int n = 0; n < rounds; ++n) {
    while (atomic_load_explicit(&turn, memory_order_acquire) != me) syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, 1 - me, NULL);
    atomic_store_explicit(&turn, 1 - me, memory_order_release);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1);
  }
  return NULL;
}

static sem_t turns[2];

static void* by_semaphore(void* argument) {
  int me = (int)(intptr_t)argument;
  for (int n = 0; n < rounds; ++n) {
    while (sem_wait(&turns[me]) != 0) {
    }
    sem_post(&turns[1 - me]);
  }
  return NULL;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed[2] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
static int whose;

static void* by_condition(void* argument) {
  int me = (int)(intptr_t)argument;
  for (int n = 0; n < rounds; ++n) {
    pthread_mutex_lock(&lock);
    while (whose != me) pthread_cond_wait(&changed[me], &lock);
    whose = 1 - me;
    pthread_cond_signal(&changed[1 - me]);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static void* nothing(void* argument) { return argument; }

static double create_join(void) {
  double began = cpu_ns();
  for (int n = 0; n < rounds; ++n) {
    pthread_t thread;
    start(&thread, nothing, 0);
    pthread_join(thread, NULL);
  }
  return (cpu_ns() - began) / rounds;
}

/* In a thread of its own: libc may take shortcuts in a process that never had a second one. */
static void* alone(void* result) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  enum { times = 20 };
  double began = cpu_ns();
  for (int n = 0; n < times * rounds; ++n) {
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
  }
  *(double*)result = (cpu_ns() - began) / ((double)times * rounds);
  return NULL;
}

int main(int argc, char** argv) {
  rounds = argc > 1 ? atoi(argv[1]) : 100000;
  sem_init(&turns[0], 0, 1);
  sem_init(&turns[1], 0, 0);
  double futex = both(by_futex), semaphore = both(by_semaphore), condition = both(by_condition), made = create_join(), mutex = 0;
  pthread_t thread;
  start(&thread, alone, (intptr_t)&mutex);
  pthread_join(thread, NULL);
  printf("{\"futex\": %.1f, \"semaphore\": %.1f, \"condition\": %.1f, \"create_join\": %.1f, \"mutex\": %.2f}\n", futex, semaphore,
         condition, made, mutex);
  return 0;
}
