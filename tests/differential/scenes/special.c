/* Descriptors that are neither sockets nor files: eventfd, timerfd, signalfd, inotify, pidfd, FIFOs, terminals. */
#include <poll.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "../scene.h"

#define GROUP "special"

static int fd, back[2];

static void add(void *arg) {
  const uint64_t value = (uint64_t)(long)arg;
  hear(back[0]);
  DO(write(fd, &value, sizeof value));
}

SCENE(eventfds) {
  uint64_t value = 0;
  pipe_pair(back);
  fd = eventfd(0, 0);
  part *adder = go(add, (void *)41);
  tell(back[1]);
  DO(read(fd, &value, sizeof value));
  say("%lu", (unsigned long)value);
  join(adder);
  const uint64_t most = ~(uint64_t)0 - 1, one = 1, too_much = ~(uint64_t)0;
  DO(write(fd, &too_much, sizeof too_much));
  DO(write(fd, &most, sizeof most));
  adder = go(add, (void *)1);
  tell(back[1]);
  await_blocked(adder);
  DO(read(fd, &value, sizeof value));
  join(adder);
  DO(read(fd, &value, sizeof value));
  say("%lu", (unsigned long)value);
  DO(read(fd, &value, 4));
  DO(write(fd, &one, 4));
  MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
  DO(read(fd, &value, sizeof value));
  DO(write(fd, &most, sizeof most));
  DO(write(fd, &one, sizeof one));
  DO(read(fd, bad(), 8));
  DO(eventfd(0, 77));
  DO_ERROR(eventfd_write(fd, 1) == 0 ? 0 : errno);
}

static void take(void *arg) {
  uint64_t value = 0;
  (void)arg;
  DO(read(fd, &value, sizeof value));
  say("%lu", (unsigned long)value);
}

SCENE(eventfd_as_semaphore) {
  fd = eventfd(2, EFD_SEMAPHORE);
  part *all[5];
  for (int i = 0; i < 5; ++i) all[i] = go(take, NULL);
  for (int i = 0; i < 5; ++i) await_blocked(all[i]);
  const uint64_t three = 3;
  DO(write(fd, &three, sizeof three));
  for (int i = 0; i < 5; ++i) join(all[i]);
  MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
  take(NULL);
}

static void read_timer(void *arg) {
  uint64_t times = 0;
  (void)arg;
  DO(read(fd, &times, sizeof times));
  say(times > 0 ? "expired" : "not expired");
}

SCENE(timerfds) {
  fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  struct itimerspec soon = {.it_value = {0, 3 * MS}}, each = {.it_value = {0, MS}, .it_interval = {0, MS}}, none = {0}, old;
  part *reader = go(read_timer, NULL);
  await_blocked(reader);
  DO(timerfd_settime(fd, 0, &soon, NULL));
  join(reader);
  DO(timerfd_settime(fd, 0, &each, &old));
  for (int i = 0; i < 3; ++i) read_timer(NULL);
  DO(timerfd_settime(fd, 0, &none, NULL));
  struct pollfd p = {fd, POLLIN, 0};
  DO(poll(&p, 1, 3));
  DO(timerfd_settime(fd, TFD_TIMER_ABSTIME, &(struct itimerspec){.it_value = {1, 0}}, NULL));
  read_timer(NULL);
  uint64_t times;
  DO(timerfd_settime(fd, 0, &soon, NULL));
  DO(read(fd, &times, 4));
  DO(timerfd_gettime(fd, bad()));
  MUST(timerfd_settime(fd, 0, &none, NULL));
  MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
  DO(read(fd, &times, 8));
}

static void read_signal(void *arg) {
  struct signalfd_siginfo info[2];
  (void)arg;
  DO(read(fd, info, sizeof info[0]));
  say("signal %u from %s", info[0].ssi_signo, (pid_t)info[0].ssi_pid == getpid() ? "here" : "elsewhere");
}

/* Blocked before any part starts, so that all threads have it so. */
SCENE(signalfds) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN);
  MUST(sigprocmask(SIG_BLOCK, &set, NULL));
  fd = signalfd(-1, &set, SFD_CLOEXEC);
  part *reader = go(read_signal, NULL);
  await_blocked(reader);
  /* To the process: any of its threads may take it, natively the main one has it unblocked. */
  signal_part(reader, SIGUSR1);
  join(reader);
  struct signalfd_siginfo info[4];
  QUIETLY(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGRTMIN));
  QUIETLY(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGRTMIN));
  DO(read(fd, info, sizeof info) / (long)sizeof info[0]);
  MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
  DO(read(fd, info, sizeof info));
  DO(read(fd, info, 8));
}

static void create_file(void *arg) {
  const int created = (int)MUST(open(arg, O_CREAT | O_WRONLY, 0600));
  DO(write(created, "x", 1));
  MUST(close(created));
  DO(unlink(arg));
}

SCENE(inotify) {
  const char *directory = fresh_name("watched"), *name = fresh_name("watched/file");
  MUST(mkdir(directory, 0700));
  fd = inotify_init1(IN_CLOEXEC);
  MUST(inotify_add_watch(fd, directory, IN_CREATE | IN_CLOSE_WRITE | IN_DELETE));
  part *creator = go(create_file, (void *)name);
  int seen = 0;
  _Alignas(struct inotify_event) char buffer[4096];
  while (seen < 3) {
    const long n = read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    for (const char *at = buffer; at < buffer + n; ++seen) {
      const struct inotify_event *e = (const struct inotify_event *)at;
      say("%x %s", e->mask, e->name);
      at += sizeof *e + e->len;
    }
  }
  join(creator);
  MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
  DO(read(fd, buffer, sizeof buffer));
  MUST(close(open(name, O_CREAT | O_WRONLY, 0600)));
  DO(read(fd, buffer, 4));
  MUST(unlink(name));
  MUST(rmdir(directory));
}

static void poll_child(void *arg) {
  struct pollfd p = {*(int *)arg, POLLIN, 0};
  DO(poll(&p, 1, -1));
  say("revents %x", (unsigned)p.revents);
  siginfo_t info = {0};
  DO(waitid(P_PIDFD, (id_t)p.fd, &info, WEXITED));
  say("%d %d", info.si_code == CLD_EXITED, info.si_status);
}

SCENE(pidfds) {
  pipe_pair(back);
  const pid_t child = fork();
  if (child == 0) {
    char c;
    close(back[1]);
    _exit(read(back[0], &c, 1) == 0 ? 7 : 1);
  }
  int pidfd = (int)MUST(pidfd_open(child, 0));
  part *poller = go(poll_child, &pidfd);
  await_blocked(poller);
  MUST(close(back[1]));
  join(poller);
  DO(pidfd_send_signal(pidfd, 0, NULL, 0));
  DO(pidfd_open(-1, 0));
  char c;
  DO(read(pidfd, &c, 1));
}

static void open_fifo(void *arg) {
  const int end = (int)AS("open", open(arg, O_WRONLY) >= 0 ? 0 : -1);
  (void)end;
}

static void write_fifo(void *arg) {
  const int end = (int)MUST(open(arg, O_WRONLY));
  DO(write(end, "through", 7));
  say_flags("writer", end);
  hear(back[0]);
  MUST(close(end));
}

SCENE(fifo) {
  const char *name = fresh_name("fifo");
  pipe_pair(back);
  DO(mkfifo(name, 0600));
  DO(open(name, O_WRONLY | O_NONBLOCK));
  part *writer = go(write_fifo, (void *)name);
  await_blocked(writer);
  fd = (int)MUST(open(name, O_RDONLY | O_CLOEXEC));
  say_flags("reader", fd);
  char buffer[16];
  DO(read(fd, buffer, 16));
  tell(back[1]);
  join(writer);
  DO(read(fd, buffer, 16));
  MUST(close(fd));
  /* The other way round: the reader waits for a writer. */
  fd = (int)MUST(open(name, O_RDONLY | O_NONBLOCK));
  part *second = go(open_fifo, (void *)name);
  join(second);
  DO(open(name, O_RDWR) >= 0 ? 0 : -1);
}

static void read_fifo(void *arg) {
  const int end = (int)MUST(openat(AT_FDCWD, arg, O_RDONLY));
  char buffer[16];
  DO(read(end, buffer, 16));
  DO(read(end, buffer, 16));
}

SCENE(fifo_reader_first) {
  const char *name = fresh_name("fifo");
  MUST(mkfifo(name, 0600));
  part *reader = go(read_fifo, (void *)name);
  await_blocked(reader);
  fd = (int)MUST(open(name, O_WRONLY));
  DO(write(fd, "x", 1));
  MUST(close(fd));
  join(reader);
}

static int master, slave;

static void type(void *arg) {
  char line[64];
  (void)arg;
  DO(write(master, "some text\n", 10));
  hear(back[0]);
  DO(read(master, line, sizeof line));
  DO(write(master, "more\n", 5));
  hear(back[0]);
  DO(write(master, "\004", 1));
  hear(back[0]);
  DO(write(master, "raw", 3));
  hear(back[0]);
  DO(close(slave));
  DO(read(master, line, sizeof line));
}

SCENE(terminal) {
  pipe_pair(back);
  MUST(openpty(&master, &slave, NULL, NULL, NULL));
  struct termios mode;
  tcgetattr(slave, &mode);
  mode.c_lflag &= ~(tcflag_t)ECHO;
  mode.c_oflag &= ~(tcflag_t)OPOST; /* "\r\n" for "\n" is a write of its own, and may arrive apart */
  tcsetattr(slave, TCSANOW, &mode);
  part *typist = go(type, NULL);
  char line[64];
  DO(read(slave, line, sizeof line));
  DO(write(slave, "thanks\n", 7));
  tell(back[1]);
  DO(read(slave, line, 3));
  DO(read(slave, line, sizeof line));
  tell(back[1]);
  DO(read(slave, line, sizeof line));
  mode.c_lflag &= ~(tcflag_t)ICANON;
  mode.c_cc[VMIN] = 3;
  mode.c_cc[VTIME] = 0;
  tcsetattr(slave, TCSANOW, &mode);
  tell(back[1]);
  DO(read(slave, line, sizeof line));
  mode.c_cc[VMIN] = 0;
  mode.c_cc[VTIME] = 1;
  tcsetattr(slave, TCSANOW, &mode);
  DO(read(slave, line, sizeof line));
  say_flags("slave", slave);
  DO(tcdrain(slave));
  tell(back[1]);
  join(typist);
}

static void drain(void *arg) {
  (void)arg;
  DO(tcdrain(slave));
}

SCENE(drained_terminal) {
  MUST(openpty(&master, &slave, NULL, NULL, NULL));
  DO(write(slave, "output", 6));
  part *drainer = go(drain, NULL);
  char line[64];
  DO(read(master, line, sizeof line));
  join(drainer);
  DO(tcdrain(-1));
  int pipes[2];
  pipe_pair(pipes);
  DO(tcdrain(pipes[0]));
}
