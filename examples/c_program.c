/* Weft from C: a pool of workers bounded by a semaphore, an OS thread that posts to the hub, a timeout.
 *
 * Prints:
 *   worker 1 done
 *   worker 2 done
 *   worker 3 done
 *   sum: 6
 *   from a thread: 42
 *   timed out
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <weft/weft.h>

static weft_semaphore *slots;
static weft_event *arrived;
static int from_thread;

static void *work(void *arg) {
  const intptr_t number = (intptr_t)arg;
  if (weft_semaphore_acquire(slots, WEFT_FOREVER) != 0) return NULL; /* cancelled */
  weft_sleep(WEFT_MS(1));                                            /* parks: the other workers run */
  printf("worker %d done\n", (int)number);
  weft_semaphore_release(slots, 1);
  return (void *)number;
}

static void deliver(void *arg) { /* runs in a fiber of main's hub */
  from_thread = *(int *)arg;
  weft_event_set(arrived);
}

static void *thread_main(void *hub) {
  static int value = 42;
  weft_post(hub, deliver, &value);
  return NULL;
}

int main(void) {
  weft_fiber *workers[3];
  intptr_t sum = 0;
  slots = weft_semaphore_create(2);
  arrived = weft_event_create();
  if (slots == NULL || arrived == NULL) return 1;

  for (intptr_t i = 0; i < 3; ++i)
    if (weft_spawn(&workers[i], work, (void *)(i + 1)) != 0) return 1;
  for (int i = 0; i < 3; ++i) {
    void *result = NULL;
    weft_join(workers[i], &result);
    weft_release(workers[i]);
    sum += (intptr_t)result;
  }
  printf("sum: %d\n", (int)sum);

  pthread_t thread;
  weft_hub *hub = weft_hub_current();
  if (hub == NULL || pthread_create(&thread, NULL, thread_main, hub) != 0) return 1;
  weft_event_wait(arrived, WEFT_FOREVER);
  pthread_join(thread, NULL);
  weft_hub_release(hub);
  printf("from a thread: %d\n", from_thread);

  weft_scope limit;
  weft_timeout_begin(&limit, WEFT_MS(5));
  weft_sleep(WEFT_SECONDS(3600)); /* cut off: -1, ECANCELED */
  if (weft_timeout_end(&limit) != 0 && errno == ETIMEDOUT) printf("timed out\n");

  weft_event_destroy(arrived);
  weft_semaphore_destroy(slots);
  return 0;
}
