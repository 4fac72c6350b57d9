/* fork beside threads that wait or compute. */
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "forks"

static int pair[2], back[2];
static atomic_int stop;

static void *wait_in_read(void *arg) {
  char c;
  QUIETLY(read(pair[0], &c, 1));
  return arg;
}

static void *sleep_on(void *arg) {
  while (!stop) usleep(1000);
  return arg;
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void *wait_for_mutex(void *arg) {
  pthread_mutex_lock(&held);
  pthread_mutex_unlock(&held);
  return arg;
}

static void *allocate_on(void *arg) {
  unsigned seed = (unsigned)(long)arg;
  while (!stop) {
    void *p[20];
    for (int i = 0; i < 20; ++i) p[i] = malloc((seed = seed * 1664525u + 1013904223u) % 9000 + 1);
    for (int i = 0; i < 20; ++i) free(p[i]);
  }
  return arg;
}

static void say_status(const char *who, int status) {
  if (WIFEXITED(status)) say("%s: exit %d", who, WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) say("%s: %s", who, signal_name(WTERMSIG(status)));
  else say("%s: %x", who, status);
}

static void await_child(const char *who, pid_t child) {
  int status;
  pid_t got;
  do got = waitpid(child, &status, 0);
  while (got == -1 && errno == EINTR);
  if (got != child) say("%s: waitpid = %s", who, error_name(errno));
  else say_status(who, status);
}

static void *add_one(void *arg) {
  char *p = malloc(100);
  usleep(500);
  free(p);
  atomic_fetch_add((atomic_int *)arg, 1);
  return arg;
}

static void *wait_a_moment(void *arg) {
  usleep(300);
  return arg;
}

/* What a child does: allocates, prints, makes threads of its own and joins them. */
static void live(int threads) {
  atomic_int sum = 0;
  pthread_t all[16];
  for (int i = 0; i < 200; ++i) free(malloc((size_t)i * 97 + 1));
  for (int i = 0; i < threads; ++i) OK(pthread_create(&all[i], NULL, add_one, &sum));
  for (int i = 0; i < threads; ++i) OK(pthread_join(all[i], NULL));
  say("child: %d threads, gettid %s getpid", atomic_load(&sum), syscall(SYS_gettid) == getpid() ? "is" : "is not");
}

PLAY(fork_while_others_wait) {
  unix_pair(SOCK_STREAM, pair);
  pthread_t all[6];
  OK(pthread_mutex_lock(&held));
  for (int i = 0; i < 2; ++i) all[i] = start(wait_in_read, NULL);
  for (int i = 2; i < 4; ++i) all[i] = start(sleep_on, NULL);
  for (int i = 4; i < 6; ++i) all[i] = start(wait_for_mutex, NULL);
  let_block(all[5]);
  for (int i = 0; i < 3; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      live(4);
      _exit(10 + i);
    }
    await_child("child", child);
  }
  stop = 1;
  OK(pthread_mutex_unlock(&held));
  tell(pair[1]);
  tell(pair[1]);
  for (int i = 0; i < 6; ++i) finish(all[i]);
}

PLAY(fork_while_others_allocate) {
  pthread_t all[4];
  for (int i = 0; i < 4; ++i) all[i] = start(allocate_on, (void *)(long)(i + 1));
  for (int i = 0; i < 8; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      live(3);
      exit(i);
    }
    await_child("child", child);
  }
  stop = 1;
  for (int i = 0; i < 4; ++i) finish(all[i]);
}

static void *fork_and_wait(void *arg) {
  const pid_t child = fork();
  if (child == 0) {
    live(2);
    exit(7);
  }
  int status;
  MUST(waitpid(child, &status, 0));
  (void)arg;
  return (void *)(long)(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static volatile sig_atomic_t signals_seen;
static void count_signal(int sig) { signals_seen += sig == SIGUSR1; }

static void *read_through_signals(void *arg) {
  char c;
  while (read(pair[0], &c, 1) < 0) QUIETLY(errno != EINTR);
  return arg;
}

/* What came to the parent is the parent's: the child begins with nothing pending, and a signal by which it would end is not its own. */
PLAY(forks_under_a_rain_of_signals) {
  unix_pair(SOCK_STREAM, pair);
  const struct sigaction act = {.sa_handler = count_signal};
  MUST(sigaction(SIGUSR1, &act, NULL));
  pthread_t all[3];
  for (int i = 0; i < 3; ++i) all[i] = start(read_through_signals, NULL);
  const pid_t parent = getpid(), sender = fork();
  if (sender == 0) {
    while (getppid() == parent && kill(parent, SIGUSR1) == 0) usleep(200);
    _exit(0);
  }
  int well = 0;
  for (int i = 0; i < 30; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      signals_seen = 0;
      signal(SIGUSR1, SIG_DFL);
      pthread_t t;
      int sum = 0;
      for (int k = 0; k < 3; ++k) {
        if (pthread_create(&t, NULL, wait_a_moment, NULL) != 0) _exit(1);
        if (pthread_join(t, NULL) == 0) ++sum;
      }
      _exit(sum == 3 ? 7 : 2);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    well += WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  say("children that lived well: %d", well);
  while (signals_seen == 0) usleep(1000);
  MUST(kill(sender, SIGKILL));
  while (waitpid(sender, NULL, 0) < 0 && errno == EINTR) {
  }
  for (int i = 0; i < 3; ++i) tell(pair[1]);
  for (int i = 0; i < 3; ++i) finish(all[i]);
}

PLAY(fork_in_a_thread) {
  for (int i = 0; i < 3; ++i) say("%ld", (long)finish(start(fork_and_wait, NULL)));
}

static void *fork_quietly(void *arg) {
  const pid_t child = fork();
  if (child == 0) {
    atomic_int sum = 0;
    pthread_t t;
    OK(pthread_create(&t, NULL, add_one, &sum));
    OK(pthread_join(t, NULL));
    _exit(30 + (int)(long)arg);
  }
  int status;
  MUST(waitpid(child, &status, 0));
  return (void *)(long)(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

PLAY(forks_in_many_threads_at_once) {
  pthread_t all[10];
  for (int i = 0; i < 10; ++i) all[i] = start(fork_quietly, (void *)(long)i);
  for (int i = 0; i < 10; ++i) say("%ld", (long)finish(all[i]));
}

/* The forking thread is the child's only one. When it returns from its function, the process ends with 0. */
static void *fork_and_return(void *arg) {
  const pid_t child = fork();
  if (child == 0) return (void *)55L;
  await_child("child", child);
  return arg;
}

static void at_exit(void) { say("atexit"); }

PLAY(a_child_whose_thread_returns) {
  atexit(at_exit);
  finish(start(fork_and_return, NULL));
}

static void *fork_and_leave(void *arg) {
  const pid_t child = fork();
  if (child == 0) pthread_exit((void *)66L);
  await_child("child", child);
  return arg;
}

PLAY(a_child_whose_thread_leaves_by_pthread_exit) {
  finish(start(fork_and_leave, NULL));
  fork_and_leave(NULL);
}

/* -- pthread_atfork */

static void prepare_1(void) { say("prepare 1"); }
static void prepare_2(void) { say("prepare 2"); }
static void parent_1(void) { say("parent 1"); }
static void parent_2(void) { say("parent 2"); }
static void child_1(void) { say("child 1"); }
static void child_2(void) { say("child 2"); }
static pthread_mutex_t guarded = PTHREAD_MUTEX_INITIALIZER;
static void lock_guarded(void) { pthread_mutex_lock(&guarded); }
static void unlock_guarded(void) { pthread_mutex_unlock(&guarded); }

static void *fork_once(void *arg) {
  const pid_t child = fork();
  if (child == 0) _exit(4);
  await_child("child", child);
  return arg;
}

/* The parent waits with its words until the child has said its own: handlers of parent and child run in order of registration. */
static int order[2];
static void parent_waits(void) { char c; QUIETLY(read(order[0], &c, 1)); }
static void child_tells(void) { QUIETLY(write(order[1], "c", 1)); }

PLAY(atfork_handlers_in_order) {
  pipe_pair(order);
  OK(pthread_atfork(NULL, parent_waits, NULL));
  OK(pthread_atfork(prepare_1, parent_1, child_1));
  OK(pthread_atfork(prepare_2, parent_2, child_2));
  OK(pthread_atfork(NULL, NULL, child_tells));
  finish(start(fork_once, NULL));
  fork_once(NULL);
}

static void *lock_often(void *arg) {
  while (!stop) {
    pthread_mutex_lock(&guarded);
    for (volatile int i = 0; i < 500; ++i) {}
    pthread_mutex_unlock(&guarded);
  }
  return arg;
}

PLAY(a_mutex_kept_whole_by_atfork) {
  OK(pthread_atfork(lock_guarded, unlock_guarded, unlock_guarded));
  pthread_t all[3];
  for (int i = 0; i < 3; ++i) all[i] = start(lock_often, NULL);
  for (int i = 0; i < 10; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(pthread_mutex_trylock(&guarded) == 0 ? 0 : 1);
    await_child("child", child);
  }
  stop = 1;
  for (int i = 0; i < 3; ++i) finish(all[i]);
}

/* -- child and parent talk */

static void *echo_server(void *arg) {
  const int fd = (int)(long)arg;
  char c;
  while (read(fd, &c, 1) == 1) MUST(write(fd, &c, 1));
  return NULL;
}

PLAY(child_and_parent_with_threads_both) {
  enum { links = 5 };
  int link[links][2];
  for (int i = 0; i < links; ++i) unix_pair(SOCK_STREAM, link[i]);
  pthread_t sleeper = start(sleep_on, NULL);
  const pid_t child = fork();
  if (child == 0) {
    pthread_t all[links];
    for (int i = 0; i < links; ++i) {
      close(link[i][0]);
      OK(pthread_create(&all[i], NULL, echo_server, (void *)(long)link[i][1]));
    }
    for (int i = 0; i < links; ++i) OK(pthread_join(all[i], NULL));
    _exit(0);
  }
  int right = 0;
  for (int round = 0; round < 20; ++round)
    for (int i = 0; i < links; ++i) {
      char c = (char)('a' + i), d = 0;
      MUST(write(link[i][0], &c, 1));
      MUST(read(link[i][0], &d, 1));
      right += c == d;
    }
  for (int i = 0; i < links; ++i) close_both(link[i]);
  await_child("child", child);
  say("%d", right);
  stop = 1;
  finish(sleeper);
}

PLAY(grandchildren) {
  pthread_t sleeper = start(sleep_on, NULL);
  const pid_t child = fork();
  if (child == 0) {
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      live(2);
      _exit(3);
    }
    await_child("grandchild", grandchild);
    live(2);
    _exit(4);
  }
  await_child("child", child);
  stop = 1;
  finish(sleeper);
}

static volatile sig_atomic_t children_over;

static void count_child(int sig) {
  (void)sig;
  ++children_over;
}

PLAY(sigchld_beside_waiting_threads) {
  unix_pair(SOCK_STREAM, pair);
  struct sigaction action = {.sa_handler = count_child, .sa_flags = SA_RESTART};
  MUST(sigaction(SIGCHLD, &action, NULL));
  pthread_t t = start(wait_in_read, NULL);
  let_block(t);
  for (int i = 0; i < 5; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(i);
    await_child("child", child);
    while (children_over <= i) usleep(200);
  }
  say("%d", (int)children_over);
  tell(pair[1]);
  finish(t);
}

PLAY(a_child_killed_while_its_threads_wait) {
  pipe_pair(back);
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 3; ++i) start(sleep_on, NULL);
    tell(back[1]);
    for (;;) pause();
  }
  hear(back[0]);
  kill(child, SIGTERM);
  await_child("child", child);
  finish(start(fork_quietly, NULL));
}

/* An epoll set and a descriptor that parent and child share go on in both. */
PLAY(a_shared_descriptor_after_fork) {
  unix_pair(SOCK_STREAM, pair);
  pipe_pair(back);
  pthread_t t = start(wait_in_read, NULL);
  let_block(t);
  const pid_t child = fork();
  if (child == 0) {
    struct pollfd p = {back[0], POLLIN, 0};
    DO(poll(&p, 1, -1));
    tell(pair[1]);
    _exit(1);
  }
  tell(back[1]);
  await_child("child", child);
  finish(t);
  say("read what the child sent");
}
