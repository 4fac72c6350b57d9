/* pthread_cancel, deferred and asynchronous, in every kind of wait. */
#include <mqueue.h>
#include <stdatomic.h>
#include <sys/msg.h>
#include <sys/un.h>

#include "../calls.h"

#define GROUP "cancel"

static int listener, queue;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_t sleeper;
static const char *fifo_name;

static void in_readv(void) { char c; struct iovec v = {&c, 1}; QUIETLY(readv(pair[0], &v, 1)); }
static void in_recvmsg(void) {
  char c;
  struct iovec v = {&c, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  recvmsg(pair[0], &m, 0);
}
static void in_accept(void) { accept(listener, NULL, NULL); }
static void in_sleep(void) { sleep(100); }
static void in_nanosleep(void) { const struct timespec t = {100, 0}; nanosleep(&t, NULL); }
static void in_clock_nanosleep(void) { const struct timespec t = {100, 0}; clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL); }
static void in_sigwait(void) { sigset_t set; int sig; sigemptyset(&set); sigaddset(&set, SIGUSR2); sigwait(&set, &sig); }
static void in_sigtimedwait(void) {
  const struct timespec t = {100, 0};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigtimedwait(&set, NULL, &t);
}
static void in_sem_timedwait(void) { const struct timespec t = from_now(CLOCK_REALTIME, 100000 * MS); sem_timedwait(&semaphore, &t); }
static void in_join(void) { pthread_join(sleeper, NULL); }
static void in_send(void) { for (;;) send(pair[0], data, sizeof data, 0); }
static void in_msgrcv(void) { struct { long type; char text[8]; } m; msgrcv(queue, &m, 8, 0, 0); }
static void in_open(void) { open(fifo_name, O_RDONLY); }
static void in_system(void) { QUIETLY(system("exec sleep 100 >/dev/null 2>&1")); }
static void in_testcancel(void) { for (;;) { pthread_testcancel(); usleep(100); } }
static void unlock(void *m) {
  say("unlock %d", pthread_mutex_unlock(m));
}
static void in_cond_wait(void) {
  OK(pthread_mutex_lock(&mutex));
  pthread_cleanup_push(unlock, &mutex);
  for (;;) pthread_cond_wait(&condition, &mutex);
  pthread_cleanup_pop(0);
}
static void in_cond_timedwait(void) {
  const struct timespec t = from_now(CLOCK_REALTIME, 100000 * MS);
  OK(pthread_mutex_lock(&mutex));
  pthread_cleanup_push(unlock, &mutex);
  for (;;) pthread_cond_timedwait(&condition, &mutex, &t);
  pthread_cleanup_pop(0);
}
static void in_lockf(void) { lockf(*(int *)data, F_LOCK, 0); }

#define CALL(name) {#name, in_##name}
static const struct call {
  const char *name;
  void (*fn)(void);
} calls[] = {CALL(read), CALL(readv), CALL(recv), CALL(recvmsg), CALL(accept), CALL(poll), CALL(select), CALL(epoll), CALL(sleep),
             CALL(nanosleep), CALL(clock_nanosleep), CALL(pause), CALL(sigsuspend), CALL(sigwait), CALL(sigtimedwait), CALL(sem_wait),
             CALL(sem_timedwait), CALL(join), CALL(waitpid), CALL(write), CALL(send), CALL(msgrcv), CALL(testcancel), CALL(cond_wait),
             CALL(cond_timedwait)};
enum { call_count = sizeof calls / sizeof calls[0] };

static pid_t child;

static void *sleep_long(void *arg) {
  sleep(100);
  return arg;
}

static void set_the_stage(void) {
  struct sockaddr_in *at = calloc(1, 64);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  unix_pair(SOCK_STREAM, pair);
  pipe_pair(full);
  listener = tcp_listener(at, 4);
  MUST(sem_init(&semaphore, 0, 0));
  queue = (int)MUST(msgget(IPC_PRIVATE, 0600));
  sleeper = start(sleep_long, NULL);
  child = fork();
  if (child == 0) for (;;) pause();
}

static void strike_the_stage(void) {
  msgctl(queue, IPC_RMID, NULL);
  kill(child, SIGKILL);
  while (waitpid(child, NULL, 0) < 0) {}
  OK(pthread_cancel(sleeper));
  say("the sleeper: %s", finish(sleeper) == PTHREAD_CANCELED ? "canceled" : "came back");
}

static void clean(void *what) { say("cleanup of %s", (const char *)what); }

static void *be_cancelled(void *arg) {
  const struct call *call = arg;
  pthread_cleanup_push(clean, (void *)call->name);
  call->fn();
  say("%s came back", call->name);
  pthread_cleanup_pop(0);
  return NULL;
}

PLAY(deferred_in_each_call) {
  set_the_stage();
  for (int i = 0; i < call_count; ++i) {
    pthread_t t = start(be_cancelled, (void *)&calls[i]);
    let_block(t);
    OK(pthread_cancel(t));
    say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
  }
  DO_ERROR(pthread_mutex_trylock(&mutex));
  strike_the_stage();
}

static void *be_cancelled_anywhere(void *arg) {
  OK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL));
  return be_cancelled(arg);
}

PLAY(asynchronous_in_each_call) {
  set_the_stage();
  for (int i = 0; i < call_count; ++i) {
    /* glibc's own locks are not safe against it. */
    if (calls[i].fn == in_join || calls[i].fn == in_cond_wait || calls[i].fn == in_cond_timedwait) continue;
    pthread_t t = start(be_cancelled_anywhere, (void *)&calls[i]);
    let_block(t);
    OK(pthread_cancel(t));
    say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
  }
  strike_the_stage();
}

/* Before the thread comes to its call: the first cancellation point ends it. */
static sem_t go_on;

static void *wait_then_call(void *arg) {
  const struct call *call = arg;
  pthread_cleanup_push(clean, (void *)call->name);
  OK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL));
  while (sem_wait(&go_on) != 0) {}
  OK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
  call->fn();
  say("%s came back", call->name);
  pthread_cleanup_pop(0);
  return NULL;
}

PLAY(pending_at_each_call) {
  set_the_stage();
  MUST(sem_init(&go_on, 0, 0));
  for (int i = 0; i < call_count; ++i) {
    pthread_t t = start(wait_then_call, (void *)&calls[i]);
    OK(pthread_cancel(t));
    sem_post(&go_on);
    say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
  }
  strike_the_stage();
}

/* A fifo's open, a record lock, a child of system(). */
static void *be_cancelled_offloaded(void *arg) {
  say("%s", ((const struct call *)arg)->name);
  return be_cancelled(arg);
}

PLAY(deferred_where_nothing_is_ready_ever) {
  static const struct call slow[] = {{"open", in_open}, {"lockf", in_lockf}, {"system", in_system}};
  fifo_name = fresh_name("fifo");
  MUST(mknod(fifo_name, S_IFIFO | 0600, 0));
  const int fd = (int)MUST(open(fresh_name("locked"), O_RDWR | O_CREAT, 0600));
  *(int *)data = fd;
  int said[2];
  pipe_pair(said);
  const pid_t holder = fork();
  if (holder == 0) {
    QUIETLY(lockf(fd, F_LOCK, 0));
    tell(said[1]);
    for (;;) pause();
  }
  hear(said[0]);
  for (int i = 0; i < 3; ++i) {
    pthread_t t = start(be_cancelled_offloaded, (void *)&slow[i]);
    let_block(t);
    usleep(3000);
    OK(pthread_cancel(t));
    say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
  }
  kill(holder, SIGKILL);
  DO(waitpid(holder, NULL, 0) == holder);
}

/* -- state and type */

static atomic_int stage;

static void *disabled_for_a_while(void *arg) {
  int old;
  DO_ERROR(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old));
  say("was %s", old == PTHREAD_CANCEL_ENABLE ? "enabled" : "disabled");
  char c;
  DO(read(pair[0], &c, 1));
  pthread_testcancel();
  say("still here");
  DO_ERROR(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old));
  say("was %s", old == PTHREAD_CANCEL_ENABLE ? "enabled" : "disabled");
  pthread_testcancel();
  say("never said");
  return arg;
}

PLAY(disabled_while_it_waits) {
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(disabled_for_a_while, NULL);
  let_block(t);
  OK(pthread_cancel(t));
  usleep(2000);
  tell(pair[1]);
  say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
}

static void *compute_forever(void *arg) {
  int old;
  pthread_cleanup_push(clean, "a computation");
  DO_ERROR(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old));
  say("was %s", old == PTHREAD_CANCEL_DEFERRED ? "deferred" : "asynchronous");
  stage = 1;
  for (;;) __asm__ volatile("");
  pthread_cleanup_pop(0);
  return arg;
}

PLAY(asynchronous_in_a_computation) {
  for (int i = 0; i < 5; ++i) {
    stage = 0;
    pthread_t t = start(compute_forever, NULL);
    while (!stage) usleep(100);
    OK(pthread_cancel(t));
    say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
  }
}

static void *compute_deferred(void *arg) {
  stage = 1;
  while (stage == 1) __asm__ volatile("");
  say("computed on");
  pthread_testcancel();
  say("never said");
  return arg;
}

PLAY(deferred_in_a_computation) {
  pthread_t t = start(compute_deferred, NULL);
  while (!stage) usleep(100);
  OK(pthread_cancel(t));
  usleep(5000);
  stage = 2;
  say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
}

static void *cancel_myself(void *arg) {
  DO_ERROR(pthread_cancel(pthread_self()));
  say("not yet");
  usleep(1);
  say("never said");
  return arg;
}

static void *cancel_myself_at_once(void *arg) {
  OK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL));
  pthread_cancel(pthread_self());
  say("never said");
  return arg;
}

PLAY(cancelling_oneself) {
  say("%s", finish(start(cancel_myself, NULL)) == PTHREAD_CANCELED ? "canceled" : "came back");
  say("%s", finish(start(cancel_myself_at_once, NULL)) == PTHREAD_CANCELED ? "canceled" : "came back");
}

/* -- what runs on the way out */

static pthread_key_t key;

static void destroy(void *value) { say("destructor of %s", (const char *)value); }

static void *with_layers(void *arg) {
  OK(pthread_setspecific(key, "the key"));
  pthread_cleanup_push(clean, "the first");
  pthread_cleanup_push(clean, "the second");
  pthread_cleanup_push(clean, "the third");
  pthread_cleanup_pop(1);
  sleep(100);
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(0);
  return arg;
}

PLAY(order_of_cleanups) {
  OK(pthread_key_create(&key, destroy));
  pthread_t t = start(with_layers, NULL);
  let_block(t);
  OK(pthread_cancel(t));
  say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
}

static void wait_in_cleanup(void *arg) {
  char c;
  (void)arg;
  say("the cleanup waits");
  tell(pair[0]);
  DO(read(pair[0], &c, 1));
  usleep(1000);
  say("the cleanup has waited");
}

static void *waits_in_cleanup(void *arg) {
  pthread_cleanup_push(wait_in_cleanup, NULL);
  sleep(100);
  pthread_cleanup_pop(0);
  return arg;
}

PLAY(a_cleanup_that_waits) {
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(waits_in_cleanup, NULL);
  let_block(t);
  OK(pthread_cancel(t));
  hear(pair[1]);
  DO_ERROR(pthread_cancel(t));
  tell(pair[1]);
  say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
}

static void *lock_plainly(void *arg) {
  DO_ERROR(pthread_mutex_lock(&mutex));
  say("locked, though cancelled");
  DO_ERROR(pthread_mutex_unlock(&mutex));
  pthread_testcancel();
  return arg;
}

PLAY(a_mutex_is_no_cancellation_point) {
  OK(pthread_mutex_lock(&mutex));
  pthread_t t = start(lock_plainly, NULL);
  let_block(t);
  OK(pthread_cancel(t));
  usleep(2000);
  OK(pthread_mutex_unlock(&mutex));
  say("%s", finish(t) == PTHREAD_CANCELED ? "canceled" : "came back");
}

static void *at_once(void *arg) { return arg; }

PLAY(cancelling_one_that_is_over) {
  pthread_t t = start(at_once, (void *)5L);
  usleep(5000);
  DO_ERROR(pthread_cancel(t));
  say("%ld", (long)finish(t));
}

/* Many at once, in turn and all together. */
PLAY(cancelling_a_crowd) {
  enum { crowd = 100 };
  static const struct call how = {"a crowd", in_sleep};
  pthread_t all[crowd];
  MUST(sem_init(&semaphore, 0, 0));
  for (int i = 0; i < crowd; ++i) all[i] = start(sleep_long, (void *)&how);
  for (int i = 0; i < crowd; ++i) OK(pthread_cancel(all[i]));
  int cancelled = 0;
  for (int i = 0; i < crowd; ++i) cancelled += finish(all[i]) == PTHREAD_CANCELED;
  say("%d", cancelled);
}

/* The wake that a cancelled one was to have goes to another. */
static void *take_one(void *arg) {
  OK(pthread_mutex_lock(&mutex));
  pthread_cleanup_push(unlock, &mutex);
  while (stage == 0) pthread_cond_wait(&condition, &mutex);
  --stage;
  pthread_cleanup_pop(1);
  return arg;
}

PLAY(no_signal_is_lost_to_a_cancelled_one) {
  for (int i = 0; i < 20; ++i) {
    pthread_t first = start(take_one, NULL), second = start(take_one, NULL);
    let_block(first);
    let_block(second);
    OK(pthread_mutex_lock(&mutex));
    stage = 1;
    OK(pthread_cancel(first));
    OK(pthread_cond_signal(&condition));
    OK(pthread_mutex_unlock(&mutex));
    void *one = finish(first);
    OK(pthread_mutex_lock(&mutex));
    if (one != PTHREAD_CANCELED) stage = 1;
    OK(pthread_cond_broadcast(&condition));
    OK(pthread_mutex_unlock(&mutex));
    finish(second);
  }
  say("over");
}
