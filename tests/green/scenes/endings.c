/* How threads and processes end: returns, exits of every kind, who is joined and who is left. */
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "endings"

static void *give_back(void *arg) { return arg; }

static void *sleep_then(void *arg) {
  usleep((useconds_t)(long)arg);
  return arg;
}

static void *sleep_forever(void *arg) {
  for (;;) sleep(1000);
  return arg;
}

PLAY(values_of_threads) {
  say("%ld", (long)finish(start(give_back, (void *)1L)));
  say("%ld", (long)finish(start(sleep_then, (void *)2000L)));
  pthread_t t = start(give_back, (void *)3L);
  usleep(3000);
  say("%ld", (long)finish(t));
}

static void leave(long value) { pthread_exit((void *)value); }

static void *leave_from_below(void *arg) {
  leave((long)arg);
  return NULL;
}

PLAY(pthread_exit_from_below) { say("%ld", (long)finish(start(leave_from_below, (void *)9L))); }

PLAY(joins_that_fail) {
  pthread_t t = start(sleep_forever, NULL);
  DO_ERROR(pthread_join(pthread_self(), NULL));
  DO_ERROR(pthread_tryjoin_np(t, NULL));
  struct timespec at = from_now(CLOCK_REALTIME, 3 * MS);
  DO_ERROR(pthread_timedjoin_np(t, NULL, &at));
  at = from_now(CLOCK_MONOTONIC, 3 * MS);
  DO_ERROR(pthread_clockjoin_np(t, NULL, CLOCK_MONOTONIC, &at));
  DO_ERROR(pthread_detach(t));
  DO_ERROR(pthread_join(t, NULL));
  DO_ERROR(pthread_detach(t));
  t = start(give_back, (void *)4L);
  void *value = NULL;
  int error;
  while ((error = pthread_tryjoin_np(t, &value)) == EBUSY) usleep(500);
  say("in the end: %s, %ld", error_name(error), (long)value);
}

static void *join_it(void *arg) { return finish(*(pthread_t *)arg); }

PLAY(a_chain_of_joins) {
  pthread_t all[6];
  all[0] = start(sleep_then, (void *)3000L);
  for (int i = 1; i < 6; ++i) all[i] = start(join_it, &all[i - 1]);
  say("%ld", (long)finish(all[5]));
}

/* Who is joined by two joins at once deadlocks, and pthread_join says so. */
static pthread_t main_thread;

static void *join_main(void *arg) {
  const int error = pthread_join(main_thread, NULL);
  say("join of main: %s", error == 0 ? "0" : error_name(error));
  exit(error == 0 ? 8 : 1);
  return arg;
}

PLAY_ENDS(main_leaves_and_is_joined, "exit 8") {
  main_thread = pthread_self();
  pthread_t t = start(join_main, NULL);
  let_block(t);
  pthread_exit(NULL);
}

static void at_exit(void) { say("atexit"); }

static void *end_last(void *arg) {
  usleep(3000);
  say("the last one");
  return arg;
}

/* When the last thread ends after main has left, the process exits with 0, handlers and all. */
PLAY(main_leaves_first) {
  atexit(at_exit);
  say("-- end");
  start(end_last, NULL);
  pthread_exit((void *)5L);
}

static void *leave_last(void *arg) {
  usleep(3000);
  say("the last one");
  pthread_exit(arg);
}

static void *make_another(void *arg) {
  pthread_t t = start(leave_last, arg);
  OK(pthread_detach(t));
  usleep(500);
  return NULL;
}

PLAY(main_leaves_a_detached_chain) {
  atexit(at_exit);
  say("-- end");
  OK(pthread_detach(start(make_another, (void *)3L)));
  pthread_exit(NULL);
}

static void *exit_process(void *arg) {
  usleep(1000);
  say("exit");
  exit((int)(long)arg);
}

PLAY_ENDS(a_thread_exits_after_main_left, "exit 12") {
  atexit(at_exit);
  start(exit_process, (void *)12L);
  pthread_exit(NULL);
}

PLAY_ENDS(a_thread_exits_while_main_waits, "exit 13") {
  atexit(at_exit);
  finish(start(exit_process, (void *)13L));
}

PLAY_ENDS(a_thread_exits_while_main_computes, "exit 14") {
  start(exit_process, (void *)14L);
  for (;;) __asm__ volatile("");
}

static void *exit_at_once(void *arg) { _exit((int)(long)arg); }

PLAY_ENDS(underscore_exit_in_a_thread, "exit 15") {
  atexit(at_exit);
  finish(start(exit_at_once, (void *)15L));
}

static void *exit_quickly(void *arg) { quick_exit((int)(long)arg); }

PLAY_ENDS(quick_exit_in_a_thread, "exit 16") {
  atexit(at_exit);
  at_quick_exit(at_exit);
  finish(start(exit_quickly, (void *)16L));
}

static void *raw_exit(void *arg) {
  syscall(SYS_exit_group, (int)(long)arg);
  return arg;
}

PLAY_ENDS(exit_group_in_a_thread, "exit 17") { finish(start(raw_exit, (void *)17L)); }

PLAY_ENDS(exit_with_threads_waiting, "exit 18") {
  for (int i = 0; i < 20; ++i) start(sleep_forever, NULL);
  usleep(2000);
  exit(18);
}

PLAY(return_with_threads_waiting) {
  for (int i = 0; i < 20; ++i) start(sleep_forever, NULL);
}

static void make_one_at_exit(void) { say("made at exit: %ld", (long)finish(start(sleep_then, (void *)1000L))); }

PLAY(a_thread_made_at_exit) { atexit(make_one_at_exit); }

PLAY(a_thread_made_at_exit_beside_others) {
  for (int i = 0; i < 3; ++i) start(sleep_forever, NULL);
  atexit(make_one_at_exit);
}

static pthread_key_t key;

static void exit_in_destructor(void *value) {
  say("destructor");
  exit((int)(long)value);
}

static void *with_key(void *arg) {
  OK(pthread_setspecific(key, arg));
  return NULL;
}

PLAY_ENDS(exit_in_a_destructor, "exit 19") {
  OK(pthread_key_create(&key, exit_in_destructor));
  finish(start(with_key, (void *)19L));
}

/* Unflushed output is flushed once. */
static void *print_and_exit(void *arg) {
  printf("unflushed of the thread\n");
  exit((int)(long)arg);
}

PLAY_ENDS(stdio_is_flushed_by_a_threads_exit, "exit 20") {
  printf("unflushed of main\n");
  finish(start(print_and_exit, (void *)20L));
}

/* -- detached threads */

static sem_t done;
static atomic_int ended;

static void *post_done(void *arg) {
  atomic_fetch_add(&ended, 1);
  sem_post(&done);
  return arg;
}

PLAY(detached_threads) {
  pthread_attr_t attr;
  MUST(sem_init(&done, 0, 0));
  OK(pthread_attr_init(&attr));
  OK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
  for (int i = 0; i < 200; ++i) start_with(&attr, post_done, NULL);
  for (int i = 0; i < 100; ++i) OK(pthread_detach(start(post_done, NULL)));
  for (int i = 0; i < 300; ++i) MUST(sem_wait(&done));
  say("%d", atomic_load(&ended));
}

static void *detach_itself(void *arg) {
  OK(pthread_detach(pthread_self()));
  return post_done(arg);
}

PLAY(threads_that_detach_themselves) {
  MUST(sem_init(&done, 0, 0));
  for (int i = 0; i < 200; ++i) {
    start(detach_itself, NULL);
    MUST(sem_wait(&done));
  }
  say("%d", atomic_load(&ended));
}

/* -- becoming another program */

static void *exec_shell(void *arg) {
  execl("/bin/sh", "sh", "-c", "echo the shell; exit 31", NULL);
  return arg;
}

PLAY_ENDS(exec_in_a_thread, "exit 31") {
  have_company();
  for (int i = 0; i < 5; ++i) start(sleep_forever, NULL);
  finish(start(exec_shell, NULL));
}

PLAY_ENDS(exec_in_main, "exit 31") {
  have_company();
  for (int i = 0; i < 5; ++i) start(sleep_forever, NULL);
  usleep(1000);
  exec_shell(NULL);
}

static void *exec_nothing(void *arg) {
  DO(execl("/nonexistent/nothing", "nothing", NULL));
  return arg;
}

PLAY(exec_that_fails) {
  pthread_t t = start(sleep_then, (void *)2000L);
  finish(start(exec_nothing, NULL));
  finish(t);
}

static void *exec_self(void *arg) {
  execl("/proc/self/exe", "stage", "values_of_threads", NULL);
  return arg;
}

PLAY(exec_of_a_program_with_threads) { finish(start(exec_self, NULL)); }

/* The signal mask and ignored signals pass through exec. */
static void *exec_with_mask(void *arg) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  OK(pthread_sigmask(SIG_SETMASK, &set, NULL));
  signal(SIGUSR2, SIG_IGN);
  execl("/bin/grep", "grep", "-E", "SigBlk|SigIgn", "/proc/self/status", NULL);
  return arg;
}

PLAY_ENDS(mask_and_ignored_signals_through_exec, "exit 0") {
  say("-- end");
  finish(start(exec_with_mask, NULL));
}

/* -- many */

PLAY(create_and_join_2000) {
  long sum = 0;
  for (long i = 0; i < 2000; ++i) sum += (long)finish(start(give_back, (void *)i));
  say("%ld", sum);
}

PLAY(create_200_then_join_backwards) {
  pthread_t all[200];
  long sum = 0;
  for (long i = 0; i < 200; ++i) all[i] = start(sleep_then, (void *)(i % 7 * 100));
  for (long i = 200; i-- > 0;) sum += (long)finish(all[i]) * i;
  say("%ld", sum);
}

static void *make_two(void *arg) {
  const long depth = (long)arg;
  if (depth == 0) return (void *)1L;
  pthread_t a = start(make_two, (void *)(depth - 1)), b = start(make_two, (void *)(depth - 1));
  return (void *)((long)finish(a) + (long)finish(b));
}

PLAY(a_tree_of_threads) { say("%ld", (long)finish(start(make_two, (void *)7L))); }
