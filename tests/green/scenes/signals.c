/* Signals and threads: masks, pending sets, who gets what. */
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "../signals.h"

#define GROUP "signals"

static int pair[2], back[2];

static void unblock(int sig) {
  const sigset_t set = only(sig);
  OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
}

static void await_handled(int n) {
  while (atomic_load(&handled) < n) usleep(200);
}

/* -- pthread_kill */

static void *read_once(void *arg) {
  char c;
  (void)arg;
  errno = 0;
  const ssize_t n = read(pair[0], &c, 1);
  return (void *)(long)(n == -1 ? -errno : n);
}

PLAY(a_signal_for_one_thread) {
  unix_pair(SOCK_STREAM, pair);
  handle(SIGUSR1, 0);
  pthread_t a = start(read_once, NULL), b = start(read_once, NULL);
  let_block(a);
  let_block(b);
  DO_ERROR(pthread_kill(b, SIGUSR1));
  say("%s", error_name(-(int)(long)finish(b)));
  say("handled by it: %d", handled_by == tid_of(b));
  tell(pair[1]);
  say("%ld", (long)finish(a));
}

PLAY(a_signal_with_restart) {
  unix_pair(SOCK_STREAM, pair);
  handle(SIGUSR1, SA_RESTART);
  pthread_t a = start(read_once, NULL);
  for (int i = 1; i <= 5; ++i) {
    let_block(a);
    OK(pthread_kill(a, SIGUSR1));
    await_handled(i);
  }
  tell(pair[1]);
  say("%ld, handled by it: %d", (long)finish(a), handled_by == tid_of(a));
}

PLAY(signals_to_nobody) {
  unix_pair(SOCK_STREAM, pair);
  pthread_t a = start(read_once, NULL);
  const pid_t tid = tid_of(a);
  DO_ERROR(pthread_kill(a, 0));
  DO(syscall(SYS_tgkill, getpid(), tid, 0));
  DO(syscall(SYS_tkill, tid, 0));
  DO_ERROR(pthread_kill(a, 77));
  DO(syscall(SYS_tgkill, getpid(), tid, 77));
  DO(syscall(SYS_tgkill, getpid(), -1, 0));
  DO(syscall(SYS_tgkill, 1, tid, 0));
  tell(pair[1]);
  finish(a);
  /* pthread_join returns while the kernel still takes the thread apart. */
  for (int i = 0; i < 5000 && syscall(SYS_tkill, tid, 0) == 0; ++i) usleep(1000);
  DO(syscall(SYS_tgkill, getpid(), tid, 0));
  DO(syscall(SYS_tkill, tid, SIGTERM));
}

static void *raise_here(void *arg) {
  const int before = atomic_load(&handled);
  raise(SIGUSR1);
  say("handled at once: %d, by itself: %d", atomic_load(&handled) == before + 1, handled_by == (pid_t)syscall(SYS_gettid));
  return arg;
}

PLAY(raise_in_threads) {
  handle(SIGUSR1, 0);
  raise_here(NULL);
  for (int i = 0; i < 3; ++i) finish(start(raise_here, NULL));
}

/* A thread that computes is interrupted, too. */
static volatile int go_on;

static void *compute_until_told(void *arg) {
  while (!go_on) __asm__ volatile("");
  return arg;
}

PLAY(a_signal_for_one_that_computes) {
  handle(SIGUSR1, 0);
  pthread_t t = start(compute_until_told, NULL);
  const pid_t tid = tid_of(t);
  for (int i = 1; i <= 10; ++i) {
    OK(pthread_kill(t, SIGUSR1));
    await_handled(i);
    if (handled_by != tid) say("handled by another");
  }
  go_on = 1;
  finish(t);
  say("%d", atomic_load(&handled));
}

/* -- masks and pending sets */

static void *look_at_mask(void *arg) {
  sigset_t set;
  OK(pthread_sigmask(SIG_SETMASK, NULL, &set));
  say("USR1 %d, USR2 %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2));
  sigpending(&set);
  say("pending: USR1 %d, USR2 %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2));
  unblock(SIGUSR1);
  block(SIGTERM);
  return arg;
}

PLAY(masks_are_inherited_and_ones_own) {
  block(SIGUSR1);
  raise(SIGUSR1);
  finish(start(look_at_mask, NULL));
  sigset_t set;
  OK(pthread_sigmask(SIG_SETMASK, NULL, &set));
  say("main: USR1 %d, TERM %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGTERM));
  sigpending(&set);
  say("main: pending USR1 %d", sigismember(&set, SIGUSR1));
  DO_ERROR(pthread_sigmask(77, &set, NULL));
}

PLAY(an_attribute_with_a_mask) {
  pthread_attr_t attr;
  const sigset_t set = only(SIGUSR2);
  OK(pthread_attr_init(&attr));
  OK(pthread_attr_setsigmask_np(&attr, &set));
  finish(start_with(&attr, look_at_mask, NULL));
}

static void *unblock_when_told(void *arg) {
  char c;
  MUST(read(pair[0], &c, 1));
  sigset_t set;
  sigpending(&set);
  say("pending %d, handled %d", sigismember(&set, SIGUSR1), atomic_load(&handled));
  unblock(SIGUSR1);
  say("handled %d", atomic_load(&handled));
  sigpending(&set);
  say("pending %d", sigismember(&set, SIGUSR1));
  return arg;
}

PLAY(a_signal_pends_until_it_is_unblocked) {
  unix_pair(SOCK_STREAM, pair);
  handle(SIGUSR1, 0);
  block(SIGUSR1);
  pthread_t t = start(unblock_when_told, NULL);
  for (int i = 0; i < 3; ++i) OK(pthread_kill(t, SIGUSR1));
  tell(pair[1]);
  finish(t);
  sigset_t set;
  sigpending(&set);
  say("main's pending %d", sigismember(&set, SIGUSR1));
}

/* -- for the process: whoever has it unblocked */

PLAY(a_signal_for_the_only_one_who_takes_it) {
  unix_pair(SOCK_STREAM, pair);
  handle(SIGUSR1, SA_RESTART);
  pthread_t open = start(read_once, NULL);
  let_block(open);
  block(SIGUSR1);
  pthread_t closed = start(read_once, NULL);
  let_block(closed);
  for (int i = 1; i <= 5; ++i) {
    MUST(kill(getpid(), SIGUSR1));
    await_handled(i);
    say("by the one: %d", handled_by == tid_of(open));
  }
  tell(pair[1]);
  tell(pair[1]);
  finish(open);
  finish(closed);
}

PLAY(a_signal_that_all_block_then_one_takes) {
  unix_pair(SOCK_STREAM, pair);
  handle(SIGUSR1, 0);
  block(SIGUSR1);
  pthread_t t = start(unblock_when_told, NULL);
  MUST(kill(getpid(), SIGUSR1));
  usleep(2000);
  say("handled %d", atomic_load(&handled));
  tell(pair[1]);
  finish(t);
  say("by the thread: %d", handled_by == tid_of(t));
}

PLAY(main_is_preferred_when_it_takes_it) {
  unix_pair(SOCK_STREAM, pair);
  handle(SIGUSR1, SA_RESTART);
  pthread_t t = start(read_once, NULL);
  let_block(t);
  MUST(kill(getpid(), SIGUSR1));
  await_handled(1);
  say("by main: %d", handled_by == getpid());
  tell(pair[1]);
  finish(t);
}

/* -- queued ones, with values */

static void *take_values(void *arg) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 1);
  sigaddset(&set, SIGRTMIN + 2);
  sigaddset(&set, SIGUSR1);
  for (int i = 0; i < 7; ++i) {
    siginfo_t info;
    const int sig = sigwaitinfo(&set, &info);
    const char *name = sig == SIGUSR1 ? "USR1" : sig == SIGRTMIN + 1 ? "RTMIN+1" : sig == SIGRTMIN + 2 ? "RTMIN+2" : "another";
    say("%s value %d code %d", name, info.si_value.sival_int, info.si_code);
  }
  return arg;
}

static void *queue_to_myself_then_take(void *arg) {
  for (int i = 1; i <= 3; ++i) {
    OK(pthread_sigqueue(pthread_self(), SIGRTMIN + 2, (union sigval){.sival_int = 20 + i}));
    OK(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + i}));
  }
  OK(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){.sival_int = 5}));
  OK(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){.sival_int = 6}));
  return take_values(arg);
}

PLAY(queued_signals_of_a_thread_in_order) {
  block(SIGRTMIN + 1);
  block(SIGRTMIN + 2);
  block(SIGUSR1);
  finish(start(queue_to_myself_then_take, NULL));
}

PLAY(queued_signals_of_the_process_in_order) {
  block(SIGRTMIN + 1);
  block(SIGRTMIN + 2);
  block(SIGUSR1);
  for (int i = 1; i <= 3; ++i) {
    MUST(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = 20 + i}));
    MUST(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 10 + i}));
  }
  MUST(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 5}));
  finish(start(take_values, NULL));
}

static void note(int sig, siginfo_t *info, void *context) {
  (void)context;
  say("handler: RTMIN+%d value %d code %d", sig - SIGRTMIN, info->si_value.sival_int, info->si_code);
  atomic_fetch_add(&handled, 1);
}

static void *unblock_queued(void *arg) {
  char c;
  MUST(read(pair[0], &c, 1));
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 1);
  sigaddset(&set, SIGRTMIN + 2);
  OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
  say("handled %d", atomic_load(&handled));
  return arg;
}

PLAY(queued_signals_reach_a_handler) {
  unix_pair(SOCK_STREAM, pair);
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGRTMIN + 1);
  sigaddset(&action.sa_mask, SIGRTMIN + 2);
  MUST(sigaction(SIGRTMIN + 1, &action, NULL));
  MUST(sigaction(SIGRTMIN + 2, &action, NULL));
  block(SIGRTMIN + 1);
  block(SIGRTMIN + 2);
  pthread_t t = start(unblock_queued, NULL);
  for (int i = 1; i <= 3; ++i) OK(pthread_sigqueue(t, SIGRTMIN + 1, (union sigval){.sival_int = i}));
  tell(pair[1]);
  finish(t);
}

/* -- EINTR in many threads */

static atomic_int interrupted;

static void *sleep_until_interrupted(void *arg) {
  const struct timespec t = {100, 0};
  struct timespec rest = {0, 0};
  if (nanosleep(&t, &rest) == -1 && errno == EINTR && rest.tv_sec > 90) atomic_fetch_add(&interrupted, 1);
  return arg;
}

PLAY(interrupting_a_crowd) {
  handle(SIGUSR1, SA_RESTART);
  pthread_t all[30];
  for (int i = 0; i < 30; ++i) all[i] = start(sleep_until_interrupted, NULL);
  for (int i = 0; i < 30; ++i) let_block(all[i]);
  for (int i = 0; i < 30; ++i) OK(pthread_kill(all[i], SIGUSR1));
  for (int i = 0; i < 30; ++i) finish(all[i]);
  say("%d handled, %d interrupted", atomic_load(&handled), atomic_load(&interrupted));
}

/* -- dispositions belong to the process */

static void *look_at_action(void *arg) {
  struct sigaction action;
  MUST(sigaction(SIGUSR1, NULL, &action));
  say("%s, flags %s", action.sa_handler == count ? "count" : action.sa_handler == SIG_IGN ? "ignored" : "default",
      action.sa_flags & SA_RESTART ? "restart" : "none");
  signal(SIGUSR1, SIG_IGN);
  return arg;
}

PLAY(actions_are_the_processs) {
  handle(SIGUSR1, SA_RESTART);
  finish(start(look_at_action, NULL));
  finish(start(look_at_action, NULL));
  raise(SIGUSR1);
  say("%d", atomic_load(&handled));
}

/* A signal that comes while its handler runs waits; with SA_NODEFER it does not. */
static atomic_int depth, deepest;

static void nest(int sig) {
  const int now = atomic_fetch_add(&depth, 1) + 1;
  if (now > atomic_load(&deepest)) atomic_store(&deepest, now);
  if (atomic_fetch_add(&handled, 1) < 2) raise(sig);
  atomic_fetch_sub(&depth, 1);
}

static void *raise_nested(void *arg) {
  for (int i = 0; i < 2; ++i) {
    struct sigaction action = {.sa_handler = nest, .sa_flags = i == 0 ? 0 : SA_NODEFER};
    MUST(sigaction(SIGUSR1, &action, NULL));
    atomic_store(&handled, 0);
    atomic_store(&deepest, 0);
    raise(SIGUSR1);
    say("%d handled, %d deep", atomic_load(&handled), atomic_load(&deepest));
  }
  return arg;
}

PLAY(nested_handlers) { finish(start(raise_nested, NULL)); }

/* -- stop and continue */

PLAY(stopped_and_continued_with_threads) {
  have_company();
  pipe_pair(back);
  const pid_t child = fork();
  if (child == 0) {
    unix_pair(SOCK_STREAM, pair);
    start(read_once, NULL);
    tell(back[1]);
    for (;;) pause();
  }
  hear(back[0]);
  int status;
  MUST(kill(child, SIGSTOP));
  MUST(waitpid(child, &status, WUNTRACED));
  say("stopped %d", WIFSTOPPED(status));
  MUST(kill(child, SIGCONT));
  MUST(waitpid(child, &status, WCONTINUED));
  say("continued %d", WIFCONTINUED(status));
  MUST(kill(child, SIGTERM));
  MUST(waitpid(child, &status, 0));
  say("%s", signal_name(WTERMSIG(status)));
}

/* -- timers of the process */

PLAY(itimers_interrupt_main_beside_threads) {
  unix_pair(SOCK_STREAM, pair);
  handle(SIGALRM, SA_RESTART);
  block(SIGALRM);
  pthread_t t = start(read_once, NULL);
  unblock(SIGALRM);
  const struct itimerval soon = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
  MUST(setitimer(ITIMER_REAL, &soon, NULL));
  await_handled(3);
  MUST(setitimer(ITIMER_REAL, &never, NULL));
  say("by main: %d", handled_by == getpid());
  tell(pair[1]);
  finish(t);
}

PLAY(alarms_end_a_pause) {
  handle(SIGALRM, 0);
  have_company();
  /* Again and again: the first may come before the pause. */
  const struct itimerval often = {{0, 3000}, {0, 3000}};
  MUST(setitimer(ITIMER_REAL, &often, NULL));
  DO(pause());
  say("%d", atomic_load(&handled) > 0);
}

static atomic_int prof;
static void count_prof(int sig) { (void)sig; atomic_fetch_add(&prof, 1); }

/* A profiler's timer ticks while threads compute. */
PLAY(a_profiling_timer) {
  struct sigaction action = {.sa_handler = count_prof, .sa_flags = SA_RESTART};
  MUST(sigaction(SIGPROF, &action, NULL));
  const struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
  MUST(setitimer(ITIMER_PROF, &often, NULL));
  pthread_t t = start(compute_until_told, NULL);
  while (atomic_load(&prof) < 5) usleep(1000);
  MUST(setitimer(ITIMER_PROF, &never, NULL));
  go_on = 1;
  finish(t);
  say("over");
}
