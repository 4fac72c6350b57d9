/* Threads that wait for signals: sigwait and its kin, pause and sigsuspend, waits with a mask of their own, signalfd. */
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>

#include "../signals.h"

#define GROUP "signal_waits"

static int pair[2], back[2];

/* -- threads that wait for signals */

static void *take_signals(void *arg) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  sigaddset(&set, SIGTERM);
  for (;;) {
    int sig = 0;
    DO_ERROR(sigwait(&set, &sig));
    say("took %s", signal_name(sig));
    tell(back[1]);
    if (sig == SIGTERM) return arg;
  }
}

PLAY(the_classic_signal_thread) {
  pipe_pair(back);
  block(SIGUSR1);
  block(SIGUSR2);
  block(SIGTERM);
  pthread_t t = start(take_signals, NULL);
  const int sent[] = {SIGUSR1, SIGUSR2, SIGUSR1, SIGTERM};
  for (int i = 0; i < 4; ++i) {
    if (i % 2) MUST(kill(getpid(), sent[i]));
    else OK(pthread_kill(t, sent[i]));
    hear(back[0]);
  }
  finish(t);
}

static void *send_from_thread(void *arg) {
  usleep(1000);
  MUST(kill(getpid(), (int)(long)arg));
  return NULL;
}

PLAY(main_waits_for_signals_of_threads) {
  block(SIGUSR1);
  const sigset_t set = only(SIGUSR1);
  for (int i = 0; i < 3; ++i) {
    pthread_t t = start(send_from_thread, (void *)(long)SIGUSR1);
    siginfo_t info;
    DO(sigwaitinfo(&set, &info));
    say("%d %d %d", info.si_signo == SIGUSR1, info.si_code == SI_USER, info.si_pid == getpid());
    finish(t);
  }
}

PLAY(sigtimedwait_and_its_limits) {
  have_company();
  block(SIGUSR1);
  const sigset_t set = only(SIGUSR1);
  siginfo_t info;
  struct timespec t = {0, 2 * MS};
  DO(sigtimedwait(&set, &info, &t));
  t.tv_nsec = 0;
  DO(sigtimedwait(&set, &info, &t));
  t.tv_nsec = -1;
  DO(sigtimedwait(&set, &info, &t));
  raise(SIGUSR1);
  DO(sigtimedwait(&set, &info, &(struct timespec){0, 0}));
  say("%d", info.si_code == SI_TKILL);
}

static void *sigwait_interrupted(void *arg) {
  const sigset_t set = only(SIGUSR1);
  siginfo_t info;
  DO(sigwaitinfo(&set, &info));
  return arg;
}

PLAY(another_signal_interrupts_sigwaitinfo) {
  handle(SIGUSR2, SA_RESTART);
  block(SIGUSR1);
  pthread_t t = start(sigwait_interrupted, NULL);
  let_block(t);
  OK(pthread_kill(t, SIGUSR2));
  finish(t);
}

static void *sigwait_one(void *arg) {
  const sigset_t set = only(SIGUSR1);
  int sig = 0;
  OK(sigwait(&set, &sig));
  tell(back[1]);
  return arg;
}

PLAY(several_wait_for_the_same_signal) {
  pipe_pair(back);
  block(SIGUSR1);
  pthread_t all[4];
  for (int i = 0; i < 4; ++i) {
    all[i] = start(sigwait_one, NULL);
    let_block(all[i]);
  }
  for (int i = 0; i < 4; ++i) {
    MUST(kill(getpid(), SIGUSR1));
    hear(back[0]);
  }
  for (int i = 0; i < 4; ++i) finish(all[i]);
  say("each took one");
}

/* -- waits for any signal */

static void *pause_here(void *arg) {
  DO(pause());
  return arg;
}

PLAY(pause_in_a_thread) {
  handle(SIGUSR1, SA_RESTART);
  pthread_t t = start(pause_here, NULL);
  let_block(t);
  OK(pthread_kill(t, SIGUSR1));
  finish(t);
  say("%d", atomic_load(&handled));
}

static void *suspend_here(void *arg) {
  sigset_t none, now;
  sigemptyset(&none);
  tell(back[1]);
  DO(sigsuspend(&none));
  OK(pthread_sigmask(SIG_SETMASK, NULL, &now));
  say("blocked again: %d, handled %d", sigismember(&now, SIGUSR1), atomic_load(&handled));
  return arg;
}

PLAY(sigsuspend_in_a_thread) {
  pipe_pair(back);
  handle(SIGUSR1, 0);
  block(SIGUSR1);
  pthread_t t = start(suspend_here, NULL);
  hear(back[0]);
  OK(pthread_kill(t, SIGUSR1));
  finish(t);
  t = start(suspend_here, NULL);
  hear(back[0]);
  MUST(kill(getpid(), SIGUSR1));
  finish(t);
}

/* As collectors of garbage stop all threads: each waits in a handler of one signal for another, whatever it was doing. */

enum { stopped_threads = 5, stops = 10 };
static sem_t stopped_count, never_posted;
static atomic_int stands[stopped_threads], ending;
static __thread int mine;

static void go_on(int sig) { (void)sig; }

static void stand(int sig) {
  (void)sig;
  const int error = errno;
  sigset_t rest;
  sigfillset(&rest);
  sigdelset(&rest, SIGUSR2);
  atomic_store(&stands[mine], 1);
  sem_post(&stopped_count);
  sigsuspend(&rest);
  atomic_store(&stands[mine], 0);
  errno = error;
}

static void *at_work(void *arg) {
  mine = (int)(long)arg;
  char c;
  tell(back[1]);
  while (!atomic_load(&ending)) switch (mine) {
    case 0: usleep(100); break;
    case 1: sched_yield(); break;
    case 2: break;
    case 3: sem_wait(&never_posted); break;
    default: (void)!read(pair[0], &c, 1);
  }
  return NULL;
}

PLAY(threads_that_are_stopped_in_a_handler) {
  unix_pair(SOCK_STREAM, pair);
  pipe_pair(back);
  OK(sem_init(&stopped_count, 0, 0));
  OK(sem_init(&never_posted, 0, 0));
  struct sigaction stop = {.sa_handler = stand, .sa_flags = SA_RESTART}, resume = {.sa_handler = go_on};
  sigfillset(&stop.sa_mask);
  MUST(sigaction(SIGUSR1, &stop, NULL));
  MUST(sigaction(SIGUSR2, &resume, NULL));
  pthread_t all[stopped_threads];
  for (int i = 0; i < stopped_threads; ++i) {
    all[i] = start(at_work, (void *)(long)i);
    hear(back[0]);
  }
  int all_stood = 0;
  for (int round = 0; round < stops; ++round) {
    for (int i = 0; i < stopped_threads; ++i) OK(pthread_kill(all[i], SIGUSR1));
    for (int i = 0; i < stopped_threads; ++i) MUST(sem_wait(&stopped_count));
    usleep(300); /* who does not wait in its handler gets away */
    int standing = 0;
    for (int i = 0; i < stopped_threads; ++i) standing += atomic_load(&stands[i]);
    all_stood += standing == stopped_threads;
    for (int i = 0; i < stopped_threads; ++i) OK(pthread_kill(all[i], SIGUSR2));
  }
  say("all stood %d times", all_stood);
  atomic_store(&ending, 1);
  OK(sem_post(&never_posted));
  tell(pair[1]);
  for (int i = 0; i < stopped_threads; ++i) finish(all[i]);
}

static void *ppoll_here(void *arg) {
  sigset_t none;
  sigemptyset(&none);
  tell(back[1]);
  struct pollfd p = {pair[0], POLLIN, 0};
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pair[0], &set);
  if (arg == NULL) DO(ppoll(&p, 1, NULL, &none));
  else if (arg == &pair[0]) DO(pselect(pair[0] + 1, &set, NULL, NULL, NULL, &none));
  else {
    struct epoll_event e = {.events = EPOLLIN};
    DO(epoll_pwait(epoll_create1(0), &e, 1, -1, &none));
  }
  return arg;
}

PLAY(waits_with_a_mask_of_their_own) {
  unix_pair(SOCK_STREAM, pair);
  pipe_pair(back);
  handle(SIGUSR1, SA_RESTART);
  block(SIGUSR1);
  void *const how[] = {NULL, &pair[0], &pair[1]};
  for (int i = 0; i < 3; ++i) {
    pthread_t t = start(ppoll_here, how[i]);
    hear(back[0]);
    OK(pthread_kill(t, SIGUSR1));
    finish(t);
    say("%d", atomic_load(&handled));
  }
}

/* -- signalfd */

static void *read_signalfd(void *arg) {
  struct signalfd_siginfo info;
  const int fd = (int)(long)arg;
  DO(read(fd, &info, sizeof info) == sizeof info);
  say("%s code %d", signal_name((int)info.ssi_signo), info.ssi_code);
  return NULL;
}

PLAY(signalfd_read_by_a_thread) {
  block(SIGUSR1);
  const sigset_t set = only(SIGUSR1);
  const int fd = (int)MUST(signalfd(-1, &set, 0));
  pthread_t t = start(read_signalfd, (void *)(long)fd);
  let_block(t);
  MUST(kill(getpid(), SIGUSR1));
  finish(t);
  MUST(kill(getpid(), SIGUSR1));
  struct pollfd p = {fd, POLLIN, 0};
  DO(poll(&p, 1, -1));
  finish(start(read_signalfd, (void *)(long)fd));
}
