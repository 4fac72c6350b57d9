/* COUNT pthreads with default stacks, all asleep at once, in a program that knows nothing of Weft.
 *
 * Prints "begin", waits for a line, makes the threads, prints how many there are (fewer than asked where the system gives no more) once
 * each has begun to sleep, and ends with the next line. The caller looks at the memory in between.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_long asleep;

static void* sleeper(void* unused) {
  ++asleep;
  sleep(600);
  return unused;
}

static void next_line(void) {
  char line[16];
  if (fgets(line, sizeof line, stdin) == NULL) exit(1);
}

int main(int argc, char** argv) {
  const long count = argc > 1 ? atol(argv[1]) : 10000;
  long made = 0;
  int error = 0;
  pthread_t thread;
  printf("begin\n");
  fflush(stdout);
  next_line();
  for (; made < count; ++made)
    if ((error = pthread_create(&thread, NULL, sleeper, NULL)) != 0) break;
  const struct timespec moment = {.tv_nsec = 1000000};
  while (asleep < made) nanosleep(&moment, NULL);
  printf("%ld %s\n", made, error != 0 ? strerror(error) : "");
  fflush(stdout);
  next_line();
  return 0;
}
