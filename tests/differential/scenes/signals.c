/* Waits that a signal ends, and those that go on after its handler. */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/wait.h>

#include "../scene.h"

#define GROUP "signals"

static int pair[2], back[2];
static volatile sig_atomic_t handled;

static void count(int sig) {
  (void)sig;
  ++handled;
}

static void handle(int sig, int flags) {
  struct sigaction action = {.sa_handler = count, .sa_flags = flags};
  handled = 0;
  MUST(sigaction(sig, &action, NULL));
}

/* -- each call that a handler interrupts */

static void in_read(void *arg) { char c; (void)arg; DO(read(pair[0], &c, 1)); }
static void in_readv(void *arg) { char c; struct iovec v = {&c, 1}; (void)arg; DO(readv(pair[0], &v, 1)); }
static void in_recv(void *arg) { char c; (void)arg; DO(recv(pair[0], &c, 1, 0)); }
static void in_recvmsg(void *arg) {
  char c;
  struct iovec v = {&c, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  (void)arg;
  DO(recvmsg(pair[0], &m, 0));
}
static void in_recvmmsg(void *arg) {
  char c;
  struct iovec v = {&c, 1};
  struct mmsghdr m = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};
  (void)arg;
  DO(recvmmsg(pair[0], &m, 1, 0, NULL));
}
static void in_limited_recv(void *arg) {
  char c;
  const struct timeval limit = {100, 0};
  (void)arg;
  MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
  DO(recv(pair[0], &c, 1, 0));
}
static void in_poll(void *arg) { struct pollfd p = {pair[0], POLLIN, 0}; (void)arg; DO(poll(&p, 1, -1)); }
static void in_limited_poll(void *arg) { struct pollfd p = {pair[0], POLLIN, 0}; (void)arg; DO(poll(&p, 1, 100000)); }
static void in_ppoll(void *arg) {
  struct pollfd p = {pair[0], POLLIN, 0};
  struct timespec limit = {100, 0};
  (void)arg;
  DO(ppoll(&p, 1, &limit, NULL));
  say(limit.tv_sec == 100 ? "unchanged" : "changed");
}
static void in_select(void *arg) {
  fd_set set;
  struct timeval limit = {100, 0};
  (void)arg;
  FD_ZERO(&set);
  FD_SET(pair[0], &set);
  DO(select(pair[0] + 1, &set, NULL, NULL, &limit));
  say(limit.tv_sec >= 60 && limit.tv_sec < 100 ? "time was taken off" : "time as before");
}
static void in_pselect(void *arg) {
  fd_set set;
  (void)arg;
  FD_ZERO(&set);
  FD_SET(pair[0], &set);
  DO(pselect(pair[0] + 1, &set, NULL, NULL, NULL, NULL));
}
static void in_epoll(void *arg) {
  struct epoll_event e = {.events = EPOLLIN};
  const int set = epoll_create1(0);
  (void)arg;
  MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &e));
  DO(epoll_wait(set, &e, 1, -1));
}
static void in_nanosleep(void *arg) {
  struct timespec t = {100, 0}, rest = {0, 0};
  (void)arg;
  DO(nanosleep(&t, &rest));
  say(rest.tv_sec >= 60 && rest.tv_sec < 100 ? "nearly all left" : "wrong rest");
}
static void in_clock_nanosleep(void *arg) {
  struct timespec t = {100, 0}, rest = {0, 0};
  (void)arg;
  DO_ERROR(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rest));
  say(rest.tv_sec >= 60 && rest.tv_sec < 100 ? "nearly all left" : "wrong rest");
}
static void in_absolute_sleep(void *arg) {
  struct timespec t, rest = {77, 77};
  (void)arg;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_sec += 100;
  DO_ERROR(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &rest));
  say("%ld", (long)rest.tv_sec);
}
static void in_sleep(void *arg) { (void)arg; say(sleep(100) >= 60 ? "nearly all left" : "slept"); }
static void in_usleep(void *arg) { (void)arg; DO(usleep(100000000)); }
static void in_pause(void *arg) { (void)arg; DO(pause()); }
static void in_sigsuspend(void *arg) {
  sigset_t none;
  (void)arg;
  sigemptyset(&none);
  DO(sigsuspend(&none));
}
static void in_wait(void *arg) {
  int status;
  (void)arg;
  DO(wait(&status) > 0 ? 0 : -1);
}
static void in_waitpid(void *arg) { (void)arg; DO(waitpid(-1, NULL, 0) > 0 ? 0 : -1); }
static void in_write(void *arg) {
  char *data = bytes(1u << 20, 'w');
  (void)arg;
  const long n = write(pair[0], data, 4u << 18);
  say("%s", n == -1 ? error_name(errno) : n < 4 << 18 ? "a part" : "all");
}
static void in_full_write(void *arg) { (void)arg; DO(write(pair[0], "x", 1)); }
static void in_accept(void *arg) { (void)arg; DO(accept(pair[0], NULL, NULL) >= 0 ? 0 : -1); }
static void in_eventfd(void *arg) {
  uint64_t value;
  const int fd = eventfd(0, 0);
  (void)arg;
  DO(read(fd, &value, 8));
}
static void in_semop(void *arg) {
  struct sembuf down = {0, -1, 0};
  DO(semop(*(int *)arg, &down, 1));
}

static struct { void (*fn)(void *); const char *name; int goes_on; } calls[] = {
    {in_read, "read", 1},       {in_readv, "readv", 1},   {in_recv, "recv", 1},           {in_recvmsg, "recvmsg", 1},
    {in_recvmmsg, "recvmmsg", 1}, {in_limited_recv, "recv with a limit", 0},               {in_poll, "poll", 0},
    {in_limited_poll, "poll with a limit", 0},            {in_ppoll, "ppoll", 0},         {in_select, "select", 0},
    {in_pselect, "pselect", 0}, {in_nanosleep, "nanosleep", 0},
    {in_clock_nanosleep, "clock_nanosleep", 0},           {in_absolute_sleep, "absolute sleep", 0},
    {in_sleep, "sleep", 0},     {in_usleep, "usleep", 0},
};

/* Interrupts each, and gives what it waits for to those that go on. */
static void interrupt_all(int flags) {
  for (size_t i = 0; i < sizeof calls / sizeof *calls; ++i) {
    unix_pair(SOCK_STREAM, pair);
    handle(SIGUSR1, flags);
    say("%s", calls[i].name);
    part *p = go(calls[i].fn, NULL);
    await_blocked(p);
    signal_part(p, SIGUSR1);
    if ((flags & SA_RESTART) != 0 && calls[i].goes_on) {
      await_blocked(p);
      tell(pair[1]);
    }
    join(p);
    say("handled %d", (int)handled);
    close_both(pair);
  }
}

SCENE(interrupted) { interrupt_all(0); }
SCENE(restarted) { interrupt_all(SA_RESTART); }

static void interrupt(void (*fn)(void *), void *arg, int flags) {
  handle(SIGUSR1, flags);
  part *p = go(fn, arg);
  await_blocked(p);
  signal_part(p, SIGUSR1);
  join(p);
  say("handled %d", (int)handled);
}

SCENE(interrupted_pause) {
  interrupt(in_pause, NULL, 0);
  interrupt(in_pause, NULL, SA_RESTART);
  interrupt(in_sigsuspend, NULL, 0);
  interrupt(in_sigsuspend, NULL, SA_RESTART);
}

SCENE(interrupted_epoll) {
  unix_pair(SOCK_STREAM, pair);
  interrupt(in_epoll, NULL, 0);
  interrupt(in_epoll, NULL, SA_RESTART);
}

SCENE(interrupted_eventfd) { interrupt(in_eventfd, NULL, 0); }

SCENE(interrupted_waits) {
  pipe_pair(back);
  const pid_t child = fork();
  if (child == 0) {
    char c;
    close(back[1]);
    _exit(read(back[0], &c, 1) == 0 ? 0 : 1);
  }
  interrupt(in_wait, NULL, 0);
  interrupt(in_waitpid, NULL, 0);
  handle(SIGUSR1, SA_RESTART);
  part *p = go(in_waitpid, NULL);
  await_blocked(p);
  signal_part(p, SIGUSR1);
  await_blocked(p);
  MUST(close(back[1]));
  join(p);
  say("handled %d", (int)handled);
}

SCENE(interrupted_writes) {
  pipe_pair(pair);
  const int out = pair[1];
  pair[1] = pair[0];
  pair[0] = out;
  interrupt(in_write, NULL, 0);
  interrupt(in_full_write, NULL, 0);
  unix_pair(SOCK_STREAM, pair);
  interrupt(in_write, NULL, SA_RESTART);
}

SCENE(interrupted_accept) {
  struct sockaddr_storage at;
  pair[0] = tcp_listener((struct sockaddr_in *)&at, 4);
  interrupt(in_accept, NULL, 0);
}

static void in_msgrcv(void *arg) {
  struct {
    long type;
    char text[8];
  } m;
  DO(msgrcv(*(int *)arg, &m, 8, 0, 0));
}

SCENE(interrupted_msgrcv) {
  int id = (int)MUST(msgget(IPC_PRIVATE, 0600));
  interrupt(in_msgrcv, &id, 0);
  interrupt(in_msgrcv, &id, SA_RESTART);
  MUST(msgctl(id, IPC_RMID, NULL));
}

SCENE(interrupted_semop) {
  int id = (int)MUST(semget(IPC_PRIVATE, 1, 0600));
  interrupt(in_semop, &id, 0);
  interrupt(in_semop, &id, SA_RESTART);
  MUST(semctl(id, 0, IPC_RMID));
}

/* A signal that is ignored, or blocked, ends nothing. */
SCENE(not_interrupted) {
  unix_pair(SOCK_STREAM, pair);
  MUST(signal(SIGUSR2, SIG_IGN) == SIG_ERR ? -1 : 0);
  part *p = go(in_poll, NULL);
  await_blocked(p);
  signal_part(p, SIGUSR2);
  signal_part(p, SIGCHLD);
  signal_part(p, SIGWINCH);
  await_blocked(p);
  tell(pair[1]);
  join(p);
}

static void with_mask(void *arg) {
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  (void)arg;
  struct pollfd p = {pair[0], POLLIN, 0};
  fd_set set;
  FD_ZERO(&set);
  FD_SET(pair[0], &set);
  struct timespec limit = {0, 3 * MS};
  MUST(sigprocmask(SIG_BLOCK, &all, NULL));
  raise(SIGUSR1);
  DO(ppoll(&p, 1, &limit, &all));
  say("handled %d", (int)handled);
  DO(ppoll(&p, 1, NULL, &none));
  say("handled %d", (int)handled);
  raise(SIGUSR1);
  DO(pselect(pair[0] + 1, &set, NULL, NULL, NULL, &none));
  raise(SIGUSR1);
  struct epoll_event e = {.events = EPOLLIN};
  const int fd = epoll_create1(0);
  MUST(epoll_ctl(fd, EPOLL_CTL_ADD, pair[0], &e));
  DO(epoll_pwait(fd, &e, 1, -1, &none));
  raise(SIGUSR1);
  DO(epoll_pwait2(fd, &e, 1, NULL, &none));
  raise(SIGUSR1);
  DO(sigsuspend(&none));
  say("handled %d", (int)handled);
  sigset_t now;
  MUST(sigprocmask(SIG_BLOCK, NULL, &now));
  say("blocked again %d", sigismember(&now, SIGUSR1));
}

SCENE(masks_for_one_call) {
  unix_pair(SOCK_STREAM, pair);
  handle(SIGUSR1, 0);
  join(go(with_mask, NULL));
}

static void wait_for_signals(void *arg) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 1);
  (void)arg;
  MUST(pthread_sigmask(SIG_BLOCK, &set, NULL));
  siginfo_t info;
  int sig = 0;
  struct timespec limit = {0, 3 * MS}, none = {0, 0}, wrong = {0, -1};
  DO(sigtimedwait(&set, &info, &limit));
  DO(sigtimedwait(&set, &info, &none));
  DO(sigtimedwait(&set, &info, &wrong));
  tell(back[1]);
  DO_ERROR(sigwait(&set, &sig));
  say("%d", sig == SIGUSR1);
  tell(back[1]);
  DO(sigwaitinfo(&set, &info) - SIGRTMIN);
  say("%d %d", info.si_code == SI_TKILL, info.si_pid == getpid());
  raise(SIGUSR1);
  raise(SIGRTMIN + 1);
  limit.tv_sec = 100;
  DO(sigtimedwait(&set, &info, &limit) == SIGUSR1);
  DO(sigtimedwait(&set, NULL, &limit) - SIGRTMIN);
  DO(sigtimedwait(&set, NULL, &none));
}

SCENE(waiting_for_signals) {
  pipe_pair(back);
  part *p = go(wait_for_signals, NULL);
  hear(back[0]);
  await_blocked(p);
  signal_part(p, SIGUSR1);
  hear(back[0]);
  await_blocked(p);
  signal_part(p, SIGRTMIN + 1);
  join(p);
}
