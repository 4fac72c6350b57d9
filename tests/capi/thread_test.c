/* weft.h: what crosses OS threads, and descriptors. */
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

#include "check.h"

struct shared {
  weft_hub *hub;
  weft_event *event;
  weft_fiber *fiber;
  int posted;
  int set_error, wait_error, join_error, killall_error;
  int retained;
};

static void set_posted(void *arg) {
  struct shared *s = arg;
  ++s->posted;
  if (s->posted == 3) weft_event_set(s->event);
}

static void *post_three(void *arg) {
  struct shared *s = arg;
  for (int i = 0; i < 3; ++i) CHECK(weft_post(s->hub, set_posted, s) == 0);
  return NULL;
}

static void posts_from_a_thread_run_on_the_hub(void) {
  struct shared s = {.hub = weft_hub_current(), .event = weft_event_create()};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, post_three, &s) == 0);
  CHECK(weft_event_wait(s.event, WEFT_FOREVER) == 0);
  CHECK(s.posted == 3);
  pthread_join(thread, NULL);
  CHECK_FAILS(weft_post(s.hub, NULL, NULL), EINVAL);
  weft_hub_release(s.hub);
  weft_event_destroy(s.event);
}

static void *answer(void *arg) {
  struct shared *s = arg;
  weft_sleep(WEFT_US(100));
  ++s->posted;
  return s;
}

static void *call_and_post(void *arg) {
  struct shared *s = arg;
  void *result = NULL;
  CHECK(weft_call(s->hub, answer, s, &result) == 0);
  CHECK(result == s && s->posted == 1);
  CHECK(weft_current() != NULL); /* from here on this thread has a hub of its own */
  CHECK(weft_call(s->hub, answer, s, NULL) == 0);
  CHECK(weft_post(s->hub, set_posted, s) == 0);
  return NULL;
}

static void calls_from_a_thread_bring_the_result(void) {
  struct shared s = {.hub = weft_hub_current(), .event = weft_event_create()};
  pthread_t thread;
  void *result = NULL;
  CHECK(pthread_create(&thread, NULL, call_and_post, &s) == 0);
  CHECK(weft_event_wait(s.event, WEFT_FOREVER) == 0);
  CHECK(s.posted == 3);
  pthread_join(thread, NULL);
  CHECK(weft_call(s.hub, answer, &s, &result) == 0 && result == &s);
  CHECK_FAILS(weft_call(s.hub, NULL, NULL, NULL), EINVAL);
  CHECK_FAILS(weft_call(NULL, answer, NULL, NULL), EINVAL);
  weft_hub_release(s.hub);
  weft_event_destroy(s.event);
}

static void *sleep_long(void *arg) {
  (void)arg;
  return (void *)(intptr_t)(weft_sleep(WEFT_SECONDS(3600)) == 0 ? 0 : errno);
}

static void *use_from_afar(void *arg) {
  struct shared *s = arg;
  s->set_error = weft_event_set(s->event) == 0 ? 0 : errno;
  s->wait_error = weft_event_wait(s->event, WEFT_FOREVER) == 0 ? 0 : errno;
  s->join_error = weft_join(s->fiber, NULL) == 0 ? 0 : errno;
  s->killall_error = weft_killall(&s->fiber, 1, WEFT_FOREVER) == 0 ? 0 : errno;
  s->retained = weft_retain(s->fiber) != NULL;
  CHECK(weft_cancel(s->fiber) == 0);
  weft_release(s->fiber);
  return NULL;
}

static void another_thread_may_only_cancel(void) {
  struct shared s = {.event = weft_event_create()};
  void *result = NULL;
  pthread_t thread;
  CHECK(weft_spawn(&s.fiber, sleep_long, NULL) == 0);
  CHECK(weft_retain(s.fiber) == s.fiber); /* the thread's own reference */
  CHECK(pthread_create(&thread, NULL, use_from_afar, &s) == 0);
  CHECK(weft_join(s.fiber, &result) == 0);
  CHECK(result == (void *)(intptr_t)ECANCELED);
  pthread_join(thread, NULL);
  CHECK(s.set_error == EPERM && s.wait_error == EPERM && s.join_error == EPERM && s.killall_error == EPERM);
  CHECK(s.retained == 0);
  weft_release(s.fiber);
  weft_event_destroy(s.event);
}

static void *leave_hub(void *arg) {
  *(weft_hub **)arg = weft_hub_current();
  return NULL;
}

static void a_hub_whose_thread_has_ended_is_esrch(void) {
  weft_hub *hub = NULL;
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, leave_hub, &hub) == 0);
  pthread_join(thread, NULL);
  CHECK(hub != NULL);
  CHECK_FAILS(weft_post(hub, set_posted, NULL), ESRCH);
  CHECK_FAILS(weft_call(hub, answer, NULL, NULL), ESRCH);
  weft_hub_release(hub);
  weft_hub_release(NULL);
}

static void *echo(void *arg) {
  const int fd = *(int *)arg;
  char text[16];
  ssize_t n;
  while ((n = weft_read(fd, text, sizeof text)) > 0) weft_write(fd, text, (size_t)n);
  weft_close(fd);
  return (void *)(intptr_t)n;
}

static void a_read_parks_only_its_fiber(void) {
  int fds[2];
  char text[16] = "";
  weft_fiber *f = NULL;
  void *result = WEFT_CANCELED;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  CHECK(weft_spawn(&f, echo, &fds[1]) == 0);
  CHECK(weft_send(fds[0], "hello", 5, 0) == 5);
  CHECK(weft_recv(fds[0], text, sizeof text, 0) == 5);
  CHECK(memcmp(text, "hello", 5) == 0);
  CHECK(shutdown(fds[0], SHUT_WR) == 0);
  CHECK(weft_join(f, &result) == 0);
  CHECK(result == NULL);
  weft_release(f);
  CHECK(weft_close(fds[0]) == 0);
  CHECK_FAILS(weft_close(fds[0]), EBADF);
}

static void a_timeout_ends_a_read(void) {
  int fds[2];
  char c;
  weft_scope t;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  CHECK(weft_timeout_begin(&t, WEFT_MS(1)) == 0);
  CHECK_FAILS(weft_read(fds[0], &c, 1), ECANCELED);
  CHECK_FAILS(weft_timeout_end(&t), ETIMEDOUT);
  struct pollfd p = {fds[0], POLLIN, 0};
  CHECK(weft_poll(&p, 1, 0) == 0);
  CHECK(weft_write(fds[1], "x", 1) == 1);
  CHECK(weft_poll(&p, 1, -1) == 1 && p.revents == POLLIN);
  weft_close(fds[0]);
  weft_close(fds[1]);
}

int main(void) {
  static const struct test_case cases[] = {
      {"calls from a thread bring the result", calls_from_a_thread_bring_the_result},
      {"posts from a thread run on the hub, in order", posts_from_a_thread_run_on_the_hub},
      {"another thread may cancel a fiber, and nothing else", another_thread_may_only_cancel},
      {"a hub whose thread has ended is ESRCH", a_hub_whose_thread_has_ended_is_esrch},
      {"a read parks only its fiber", a_read_parks_only_its_fiber},
      {"a timeout ends a read", a_timeout_ends_a_read},
  };
  return RUN_CASES(cases);
}
