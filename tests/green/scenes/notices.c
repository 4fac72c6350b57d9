/* What the kernel tells a process of its files and queues: signals of one thread's files, and messages for which nobody waits. */
#include <dirent.h>
#include <mqueue.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "notices"

/* -- files with an owner */

static __thread int number_of_mine = -1;
static atomic_int handled, by_whom, which_signal, which_code, which_file;

static void note(int sig, siginfo_t *info, void *context) {
  (void)context;
  by_whom = number_of_mine;
  which_signal = sig;
  which_code = info->si_code;
  which_file = info->si_fd;
  ++handled;
}

static void *stay(void *arg) {
  number_of_mine = (int)(long)arg;
  for (;;) usleep(1000);
  return arg;
}

static void await_one(const char *why, int fd) {
  static int seen;
  while (handled == seen) usleep(500);
  ++seen;
  say("%s: thread %d, %s, code %d, file %d", why, by_whom, which_signal == SIGIO ? "SIGIO" : "queued", which_code,
      which_code > 0 && which_code != SI_KERNEL && which_file == fd);
}

static void say_owner(int fd, pid_t thread) {
  struct f_owner_ex owner = {-1, -1};
  DO(fcntl(fd, F_GETOWN_EX, &owner));
  say("type %d, this one: %d, as F_GETOWN says: %d", owner.type, owner.pid == thread, fcntl(fd, F_GETOWN) == thread);
}

PLAY(signals_of_a_file_that_belongs_to_one_thread) {
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};
  const int queued = SIGRTMIN + 2;
  MUST(sigaction(SIGIO, &action, NULL));
  MUST(sigaction(queued, &action, NULL));
  pid_t threads[2];
  for (long i = 0; i < 2; ++i) threads[i] = tid_of(start(stay, (void *)i));
  int pair[2];
  unix_pair(SOCK_STREAM, pair);
  struct f_owner_ex owner = {F_OWNER_TID, threads[1]};
  DO(fcntl(pair[0], F_SETOWN_EX, &owner));
  say_owner(pair[0], threads[1]);
  DO(fcntl(pair[0], F_GETSIG));
  MUST(fcntl(pair[0], F_SETFL, O_ASYNC));
  MUST(write(pair[1], "x", 1));
  await_one("its own signal", pair[0]);
  DO(fcntl(pair[0], F_SETSIG, 65));
  MUST(fcntl(pair[0], F_SETSIG, queued));
  say("set: %d", fcntl(pair[0], F_GETSIG) == queued);
  MUST(write(pair[1], "x", 1));
  await_one("another signal", pair[0]);
  owner.pid = threads[0];
  MUST(fcntl(pair[0], F_SETOWN_EX, &owner));
  MUST(write(pair[1], "x", 1));
  await_one("another thread", pair[0]);
  const int copy = MUST(dup(pair[0]));
  say_owner(copy, threads[0]);
  owner.type = F_OWNER_PID;
  owner.pid = getpid();
  MUST(fcntl(pair[0], F_SETOWN_EX, &owner));
  say_owner(pair[0], getpid());
  say("still set: %d", fcntl(pair[0], F_GETSIG) == queued);
  owner.type = F_OWNER_TID;
  MUST(fcntl(pair[0], F_SETOWN_EX, &owner));
  say_owner(pair[0], getpid());
  owner.type = 7;
  DO(fcntl(pair[0], F_SETOWN_EX, &owner));
  owner.type = F_OWNER_TID;
  owner.pid = 1 << 23;
  DO(fcntl(pair[0], F_SETOWN_EX, &owner));
  DO(fcntl(-1, F_SETOWN_EX, &owner));
  DO(fcntl(pair[0], F_SETOWN_EX, bad()));
}

/* -- message queues */

static mqd_t queue;
static atomic_int announced;

static void *receive(void *arg) {
  char message[16];
  say("received %zd", mq_receive(queue, message, sizeof message, NULL));
  return arg;
}

static void announce(int sig) {
  (void)sig;
  ++announced;
}

static int all_asleep(pid_t process) {
  char name[300], text[400];
  snprintf(name, sizeof name, "/proc/%d/task", (int)process);
  DIR *tasks = opendir(name);
  int asleep = tasks != NULL;
  for (struct dirent *task; asleep && (task = readdir(tasks)) != NULL;) {
    if (task->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "/proc/%d/task/%s/stat", (int)process, task->d_name);
    const int fd = open(name, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n < 0 ? 0 : n] = 0;
    const char *state = strrchr(text, ')');
    asleep = state == NULL || state[2] == 'S' || state[2] == 'I';
  }
  if (tasks != NULL) closedir(tasks);
  return asleep;
}

/* Returns when no thread of this process runs: a child looks, who sees those that the kernel knows. */
static void await_all_asleep(void) {
  const pid_t parent = getpid(), child = fork();
  if (child == 0) {
    for (int alike = 0; alike < 5; alike = all_asleep(parent) ? alike + 1 : 0) usleep(2000);
    _exit(0);
  }
  MUST(waitpid(child, NULL, 0));
}

static void await_announcement(int n) {
  while (announced < n) usleep(500);
  say("announced %d", announced);
}

PLAY(a_message_for_which_somebody_waits_is_not_announced) {
  char name[64];
  snprintf(name, sizeof name, "/weft-scene-%d", (int)getpid());
  struct mq_attr size = {.mq_maxmsg = 4, .mq_msgsize = 16};
  queue = (mqd_t)MUST(mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &size));
  MUST(mq_unlink(name));
  signal(SIGUSR1, announce);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  for (int first = 0; first < 2; ++first) {
    if (first == 0) DO(mq_notify(queue, &event));
    const pthread_t receiver = start(receive, NULL);
    await_all_asleep();
    if (first == 1) DO(mq_notify(queue, &event));
    MUST(mq_send(queue, "for somebody", 12, 0));
    finish(receiver);
    say("announced %d", announced);
    DO(mq_notify(queue, &event)); /* still registered */
    MUST(mq_send(queue, "nobody", 6, 0));
    await_announcement(first + 1);
    receive(NULL);
  }
}
