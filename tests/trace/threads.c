/* A program of pthreads that knows no Weft: a producer hands numbers to a consumer, one by one; then, as argv[1] says, it ends. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int full, rounds = 5;

static void pass(int from, int to) {
  pthread_mutex_lock(&lock);
  while (full != from) pthread_cond_wait(&changed, &lock);
  full = to;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);
}

static void *produce(void *unused) {
  pthread_setname_np(pthread_self(), "producer");
  for (int i = 0; i < rounds; ++i) pass(0, 1);
  return unused;
}

static void *consume(void *unused) {
  pthread_setname_np(pthread_self(), "consumer");
  for (int i = 0; i < rounds; ++i) pass(1, 0);
  return unused;
}

static void play(void) {
  pthread_t a, b;
  pthread_create(&b, NULL, consume, NULL);
  pthread_create(&a, NULL, produce, NULL);
  pthread_join(a, NULL);
  pthread_join(b, NULL);
}

int main(int argc, char **argv) {
  const char *end = argc > 1 ? argv[1] : "return";
  if (argc > 2) rounds = atoi(argv[2]);
  int descriptors[2];
  char byte;
  if (strcmp(end, "nothing") == 0) return 0;
  play();
  if (strcmp(end, "exit") == 0) exit(4);
  if (strcmp(end, "_exit") == 0) _exit(5);
  if (strcmp(end, "signal") == 0) raise(SIGTERM);
  if (strcmp(end, "abort") == 0) abort();
  if (strcmp(end, "kill") == 0) raise(SIGKILL);
  if (strcmp(end, "exec") == 0) execl("/proc/self/exe", argv[0], "return", (char *)NULL);
  if (strcmp(end, "fork") == 0) {
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
      play();
      exit(0);
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
  }
  /* A read that waits for the descriptor that another thread writes to. */
  if (strcmp(end, "read") == 0 && pipe(descriptors) == 0) {
    pthread_t writer;
    extern void *write_there(void *);
    pthread_create(&writer, NULL, write_there, &descriptors[1]);
    if (read(descriptors[0], &byte, 1) != 1) return 1;
    pthread_join(writer, NULL);
    printf("%d\n", descriptors[0]);
  }
  return 0;
}

void *write_there(void *descriptor) {
  usleep(1000);
  if (write(*(int *)descriptor, "x", 1) != 1) abort();
  return NULL;
}
