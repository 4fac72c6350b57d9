// The program that `weft doctor` runs under `weft run --strict`: two threads that wait for each other, and a sleep.
#include <pthread.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;

static void take_turn(int mine) {
  pthread_mutex_lock(&lock);
  while (turn != mine) pthread_cond_wait(&changed, &lock);
  ++turn;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

static void *other(void *nothing) {
  (void)nothing;
  take_turn(1);
  take_turn(3);
  return NULL;
}

int main(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, other, NULL) != 0) return 1;
  const struct timespec while_others_run = {0, 1000000};
  nanosleep(&while_others_run, NULL);
  take_turn(0);
  take_turn(2);
  return pthread_join(thread, NULL) != 0 || turn != 4;
}
