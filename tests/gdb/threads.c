/* The scene of pthreads that gdb looks at: two lock two mutexes in opposite order, one reads, one computes, one waits for a reader-writer
 * lock that main holds. It ends when gdb says so. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
__thread volatile int mine = 0;
pthread_rwlock_t written = PTHREAD_RWLOCK_INITIALIZER;
volatile int looked = 0;
volatile unsigned long counted = 0;
static pthread_barrier_t both;
static int ends[2];

__attribute__((noinline)) static void take(pthread_mutex_t* one, pthread_mutex_t* other, int who) {
  volatile int eleven_times = who * 11;
  mine = who;
  pthread_mutex_lock(one);
  pthread_barrier_wait(&both);
  pthread_mutex_lock(other); /* line of the second lock */
  printf("%d\n", eleven_times);
}

static void* forwards(void* p) {
  take(&first, &second, 1);
  return p;
}

static void* backwards(void* p) {
  take(&second, &first, 2);
  return p;
}

__attribute__((noinline)) static void* reads(void* p) {
  char byte;
  mine = 3;
  if (read(ends[0], &byte, 1) == 1) printf("read %c\n", byte); /* line of the read */
  return p;
}

__attribute__((noinline)) static void counts(void) {
  mine = 4;
  while (!looked) ++counted;
}

static void* computes(void* p) {
  counts();
  return p;
}

__attribute__((noinline)) static void* asks(void* p) {
  mine = 5;
  pthread_rwlock_rdlock(&written);
  return p;
}

__attribute__((noinline)) static void stage(void) { __asm__ volatile(""); }

int main(void) {
  pthread_t threads[5];
  pthread_attr_t small;  /* core dumps hold all stacks */
  mine = 100;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 256 * 1024);
  if (pipe(ends) != 0) return 1;
  pthread_barrier_init(&both, NULL, 2);
  pthread_create(&threads[0], &small, forwards, NULL);
  pthread_create(&threads[1], &small, backwards, NULL);
  pthread_create(&threads[2], &small, reads, NULL);
  pthread_create(&threads[3], &small, computes, NULL);
  pthread_rwlock_wrlock(&written);
  pthread_create(&threads[4], &small, asks, NULL);
  while (!looked) {
    usleep(1000);
    stage();
  }
  if (write(ends[1], "x", 1) != 1) return 1;
  pthread_join(threads[2], NULL);
  pthread_join(threads[3], NULL);
  printf("mine %d\n", mine);
  fflush(stdout);
  _exit(mine == 100 ? 0 : 1);
}
