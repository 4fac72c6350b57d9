/* Calls that a thread waits in and never comes back to: a handler jumps out, ends the thread, or ends the process. What the call held must
 * be given back: the descriptor serves the next one, no byte and no wake is lost. */
#include <setjmp.h>

#include "../calls.h"

#define GROUP "leaving"

static __thread sigjmp_buf out;

static void jump(int sig) {
  (void)sig;
  siglongjmp(out, 1);
}

static void handle(int sig, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  MUST(sigaction(sig, &action, NULL));
}

static void in_nanosleep(void) { sleep(100); }

static const struct {
  const char *name;
  void (*fn)(void);
} calls[] = {{"read", in_read},           {"recv", in_recv},           {"poll", in_poll},         {"select", in_select},
             {"epoll_wait", in_epoll},    {"nanosleep", in_nanosleep}, {"pause", in_pause},       {"sigsuspend", in_sigsuspend},
             {"sem_wait", in_sem_wait},   {"write", in_write},         {"waitpid", in_waitpid}};
enum { call_count = sizeof calls / sizeof calls[0] };

static void set_the_stage(void) {
  MUST(sem_init(&semaphore, 0, 0));
  unix_pair(SOCK_STREAM, pair);
  pipe_pair(full);
}

/* After it was left, the same descriptor and semaphore serve this thread. */
static void still_served(const char *name) {
  char c = 0;
  MUST(write(pair[1], "a", 1));
  const long n = read(pair[0], &c, 1);
  sem_post(&semaphore);
  const int s = sem_trywait(&semaphore);
  say("%s: then read %ld '%c', semaphore %d", name, n, c, s);
}

static void *be_jumped_out(void *arg) {
  const int i = (int)(long)arg;
  if (sigsetjmp(out, 1) == 0) {
    calls[i].fn();
    say("%s came back", calls[i].name);
  }
  still_served(calls[i].name);
  return NULL;
}

PLAY(jumping_out_of_calls_in_threads) {
  set_the_stage();
  handle(SIGUSR1, jump);
  const pid_t child = fork();
  if (child == 0) for (;;) pause();
  for (int i = 0; i < call_count; ++i) {
    pthread_t t = start(be_jumped_out, (void *)(long)i);
    let_block(t);
    OK(pthread_kill(t, SIGUSR1));
    finish(t);
  }
  kill(child, SIGKILL);
  DO(waitpid(child, NULL, 0) == child);
}

static pthread_t main_thread;
static volatile int main_is_ready;

static void *signal_main(void *arg) {
  while (!main_is_ready) usleep(500);
  let_main_block();
  OK(pthread_kill(main_thread, SIGUSR1));
  return arg;
}

PLAY(jumping_out_of_calls_in_main) {
  set_the_stage();
  handle(SIGUSR1, jump);
  main_thread = pthread_self();
  for (volatile int i = 0; i < call_count; ++i) {
    if (calls[i].fn == in_waitpid) continue;
    volatile pthread_t t = 0;
    main_is_ready = 0;
    if (sigsetjmp(out, 1) == 0) {
      t = start(signal_main, NULL);
      main_is_ready = 1;
      calls[i].fn();
    }
    finish(t);
    still_served(calls[i].name);
  }
}

/* A thread is jumped out of its wait many times over. */
static volatile int rounds;

static void *be_jumped_out_often(void *arg) {
  for (volatile int i = 0; i < 50; ++i)
    if (sigsetjmp(out, 1) == 0) {
      rounds = i + 1;
      calls[i % 7].fn();
    }
  /* One that is still on its way must not jump into a frame that is left. */
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  rounds = 51;
  return arg;
}

PLAY(jumping_out_again_and_again) {
  set_the_stage();
  handle(SIGUSR1, jump);
  pthread_t t = start(be_jumped_out_often, NULL);
  for (int i = 1; i <= 50; ++i) {
    while (rounds < i) usleep(100);
    usleep(300);
    /* Whether it had come to its call or not: one signal a round, sent until the round is over. */
    while (rounds == i) {
      pthread_kill(t, SIGUSR1);
      usleep(2000);
    }
    if (rounds > i + 1) i = rounds - 1;
  }
  finish(t);
  still_served("in the end");
}

/* -- ends of threads inside a handler */

static void end_thread(int sig) { pthread_exit((void *)(long)sig); }

static void clean(void *what) { say("cleanup of %s", (const char *)what); }

static void *be_ended(void *arg) {
  const int i = (int)(long)arg;
  pthread_cleanup_push(clean, (void *)calls[i].name);
  calls[i].fn();
  pthread_cleanup_pop(0);
  return NULL;
}

PLAY(pthread_exit_in_a_handler) {
  set_the_stage();
  handle(SIGUSR1, end_thread);
  for (int i = 0; i < call_count; ++i) {
    if (calls[i].fn == in_waitpid) continue;
    pthread_t t = start(be_ended, (void *)(long)i);
    let_block(t);
    OK(pthread_kill(t, SIGUSR1));
    say("%s", finish(t) == (void *)(long)SIGUSR1 ? "ended by its handler" : "came back");
    still_served(calls[i].name);
  }
}

static void exit_in_handler(int sig) {
  say("handler");
  exit(sig == SIGUSR1 ? 9 : 1);
}

static void at_exit(void) { say("atexit"); }

static void *wait_in_read(void *arg) {
  in_read();
  return arg;
}

PLAY_ENDS(exit_in_a_handler_of_a_waiting_thread, "exit 9") {
  set_the_stage();
  atexit(at_exit);
  handle(SIGUSR1, exit_in_handler);
  pthread_t t = start(wait_in_read, NULL);
  let_block(t);
  OK(pthread_kill(t, SIGUSR1));
  for (;;) pause();
}

/* -- handlers that wait themselves, while the thread waits */

static int inner[2];

static void read_in_handler(int sig) {
  char c = '?';
  const int error = errno;
  QUIETLY(read(inner[0], &c, 1));
  say("the handler of %s read '%c'", signal_name(sig), c);
  errno = error;
}

static void *read_outer(void *arg) {
  char c = '?';
  const ssize_t n = read(pair[0], &c, 1);
  say("the thread read %zd '%c'", n, c);
  return arg;
}

PLAY(a_handler_that_waits_itself) {
  set_the_stage();
  unix_pair(SOCK_STREAM, inner);
  struct sigaction action = {.sa_handler = read_in_handler, .sa_flags = SA_RESTART};
  MUST(sigaction(SIGUSR1, &action, NULL));
  pthread_t t = start(read_outer, NULL);
  let_block(t);
  OK(pthread_kill(t, SIGUSR1));
  usleep(3000);
  tell(inner[1]);
  usleep(3000);
  tell(pair[1]);
  finish(t);
}

static void lock_in_handler(int sig) {
  sem_post(&semaphore);
  (void)sig;
}

static void *poll_until_stopped(void *arg) {
  struct pollfd p = {pair[0], POLLIN, 0};
  int interrupted = 0, n;
  while ((n = poll(&p, 1, -1)) == -1 && errno == EINTR) ++interrupted;
  say("poll %d, was interrupted %s", n, interrupted == 10 ? "ten times" : "otherwise");
  return arg;
}

PLAY(many_interruptions) {
  set_the_stage();
  handle(SIGUSR1, lock_in_handler);
  pthread_t t = start(poll_until_stopped, NULL);
  for (int i = 0; i < 10; ++i) {
    let_block(t);
    OK(pthread_kill(t, SIGUSR1));
    while (sem_wait(&semaphore) != 0) {}
  }
  let_block(t);
  tell(pair[1]);
  finish(t);
}

/* A jump out of a handler that struck in the middle of a computation. */
static volatile int computing;

static void *compute_until_jumped(void *arg) {
  if (sigsetjmp(out, 1) == 0) {
    computing = 1;
    for (;;) __asm__ volatile("");
  }
  say("jumped");
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  say("blocked afterwards: %d", sigismember(&mask, SIGUSR1));
  return arg;
}

PLAY(jumping_out_of_a_computation) {
  handle(SIGUSR1, jump);
  for (int i = 0; i < 3; ++i) {
    computing = 0;
    pthread_t t = start(compute_until_jumped, NULL);
    while (!computing) usleep(100);
    OK(pthread_kill(t, SIGUSR1));
    finish(t);
  }
}

/* longjmp without the mask: the signal stays blocked, and pends. */
static void *jumped_without_mask(void *arg) {
  if (sigsetjmp(out, 0) == 0) in_read();
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  say("blocked: %d", sigismember(&mask, SIGUSR1));
  raise(SIGUSR1);
  sigpending(&mask);
  say("pending: %d", sigismember(&mask, SIGUSR1));
  return arg;
}

PLAY(jumping_without_the_mask) {
  set_the_stage();
  handle(SIGUSR1, jump);
  pthread_t t = start(jumped_without_mask, NULL);
  let_block(t);
  OK(pthread_kill(t, SIGUSR1));
  finish(t);
}
