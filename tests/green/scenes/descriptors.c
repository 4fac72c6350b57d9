/* Programs that close whatever may be open, count what is, or put descriptors where they like, with threads beside that do I/O. */
#include <dirent.h>
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "descriptors"

static int pair[2];

static void *echo(void *arg) {
  char c;
  (void)arg;
  while (read(pair[1], &c, 1) == 1 && c != 'q') MUST(write(pair[1], &c, 1));
  return NULL;
}

/* Threads do I/O over fresh descriptors, waiting for each other. */
static void use_threads(void) {
  unix_pair(SOCK_STREAM, pair);
  say("the pair is %d and %d", pair[0], pair[1]);
  pthread_t t = start(echo, NULL);
  int right = 0;
  for (char c = 'a'; c < 'k'; ++c) {
    char d = 0;
    MUST(write(pair[0], &c, 1));
    struct pollfd p = {pair[0], POLLIN, 0};
    MUST(poll(&p, 1, -1));
    MUST(read(pair[0], &d, 1));
    right += c == d;
    usleep(100);
  }
  MUST(write(pair[0], "q", 1));
  finish(t);
  close_both(pair);
  say("%d echoed", right);
}

static void *sleep_briefly(void *arg) {
  usleep(500);
  return arg;
}

/* So that whatever Weft opens for threads is open. */
static void have_had_threads(void) { finish(start(sleep_briefly, NULL)); }

PLAY(closing_all_one_by_one) {
  have_had_threads();
  int closed = 0;
  for (int fd = 3; fd < 1024; ++fd) closed += close(fd) == 0;
  say("%d closed", closed);
  use_threads();
}

PLAY(closing_all_in_a_thread_that_others_wait_beside) {
  use_threads();
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(echo, NULL);
  let_block(t);
  int closed = 0;
  for (int fd = 3; fd < 1024; ++fd)
    if (fd != pair[0] && fd != pair[1]) closed += close(fd) == 0;
  say("%d closed", closed);
  MUST(write(pair[0], "q", 1));
  finish(t);
}

PLAY(close_range_of_all) {
  have_had_threads();
  DO(syscall(SYS_close_range, 3, ~0u, 0));
  use_threads();
  DO(syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC));
  use_threads();
  DO(syscall(SYS_close_range, 5, 4, 0));
}

PLAY(closefrom_3) {
  have_had_threads();
  closefrom(3);
  use_threads();
}

PLAY(closing_what_the_directory_names) {
  have_had_threads();
  DIR *d = opendir("/proc/self/fd");
  int n = 0;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    const int fd = atoi(e->d_name);
    if (e->d_name[0] == '.' || fd < 3 || fd == dirfd(d)) continue;
    close(fd);
    ++n;
  }
  closedir(d);
  use_threads();
}

PLAY(closing_all_before_any_thread) {
  for (int fd = 3; fd < 1024; ++fd) close(fd);
  use_threads();
}

/* Which numbers are open, as a program finds out. */
PLAY(what_is_open) {
  have_had_threads();
  int by_fcntl = 0, by_fstat = 0, by_poll = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    struct stat s;
    struct pollfd p = {fd, POLLIN, 0};
    by_fcntl += fcntl(fd, F_GETFD) != -1;
    by_fstat += fstat(fd, &s) == 0;
    by_poll += poll(&p, 1, 0) < 1 || !(p.revents & POLLNVAL);
  }
  say("%d %d %d", by_fcntl, by_fstat, by_poll);
  say("lowest free: %d", dup(0));
}

PLAY(writing_to_every_number) {
  have_had_threads();
  int worked = 0;
  for (int fd = 3; fd < 1024; ++fd) worked += write(fd, "x", 1) != -1 || errno != EBADF;
  say("%d took a byte", worked);
  use_threads();
}

PLAY(dup2_onto_every_number) {
  have_had_threads();
  const int null = open("/dev/null", O_RDWR);
  int made = 0;
  for (int fd = null + 1; fd < 1000; ++fd) made += dup2(null, fd) == fd;
  say("%d made", made);
  for (int fd = null; fd < 1000; ++fd) close(fd);
  use_threads();
}

/* Also those that Weft has for itself, while threads wait and files are read. */
PLAY(dup2_onto_the_highest_numbers) {
  have_had_threads();
  char data[100];
  const int file = disk_file(sizeof data), null = open("/dev/null", O_RDWR);
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(echo, NULL);
  let_block(t);
  int made = 0;
  for (int round = 0; round < 3; ++round)
    for (int fd = 900; fd < 1020; ++fd) {
      made += dup2(null, fd) == fd;
      if (fd % 30 == 0) MUST(pread(file, data, sizeof data, 0));
    }
  say("%d made", made);
  int ours = 0;
  for (int fd = 900; fd < 1020; ++fd) ours += write(fd, data, 1) == 1;
  say("%d are /dev/null", ours);
  MUST(write(pair[0], "q", 1));
  finish(t);
  for (int fd = 900; fd < 1020; ++fd) close(fd);
  close(file);
  close(null);
  close_both(pair);
  use_threads();
}

/* Numbers run out where the limit says. */
PLAY(until_no_number_is_left) {
  have_had_threads();
  const struct rlimit few = {64, 64};
  setrlimit(RLIMIT_NOFILE, &few);
  int n = 0, last = -1, fd;
  while ((fd = dup(0)) != -1) {
    last = fd;
    ++n;
  }
  say("%s after %d, the last %d", error_name(errno), n, last);
  pthread_t t = start(sleep_briefly, NULL);
  finish(t);
  for (int i = 3; i < 64; ++i) close(i);
  use_threads();
}

PLAY(a_child_that_closes_all_and_becomes_another) {
  have_had_threads();
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(echo, NULL);
  for (int i = 0; i < 2; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      closefrom(3);
      execl("/bin/sh", "sh", "-c", "exit 6", NULL);
      _exit(1);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    say("%d", WEXITSTATUS(status));
  }
  MUST(write(pair[0], "q", 1));
  finish(t);
}

/* A daemon's way: fork, setsid, close all, null on 0 to 2, then threads. */
PLAY(a_daemons_beginning) {
  int result[2];
  pipe_pair(result);
  have_had_threads();
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    dup2(result[1], 100);
    for (int fd = 3; fd < 1024; ++fd)
      if (fd != 100) close(fd);
    have_had_threads();
    MUST(write(100, "threads", 7));
    _exit(0);
  }
  MUST(waitpid(child, NULL, 0));
  close(result[1]);
  char text[20] = "";
  for (size_t n = 0; n < 7;) n += (size_t)MUST(read(result[0], text + n, 7 - n));
  say("%s", text);
}

/* The program's own epoll, eventfd and pipes have the numbers that they would have. */
PLAY(numbers_of_new_descriptors) {
  have_had_threads();
  int fds[2];
  DO(epoll_create1(0));
  DO(eventfd(0, 0));
  MUST(pipe(fds));
  say("%d %d", fds[0], fds[1]);
  DO(socket(AF_INET, SOCK_STREAM, 0));
  DO(dup(1));
  DO(open("/dev/null", O_RDONLY));
  DO(fcntl(0, F_DUPFD, 20));
  DO(fcntl(0, F_DUPFD, 1000));
}

static void *close_under(void *arg) {
  (void)arg;
  char c;
  const ssize_t n = read(pair[1], &c, 1);
  say("%zd", n);
  return NULL;
}

/* Its peer is closed, not its own number: natively a thread in read() is not woken by that. */
PLAY(a_peer_closed_under_a_reader) {
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(close_under, NULL);
  let_block(t);
  close(pair[0]);
  finish(t);
  unix_pair(SOCK_STREAM, pair);
  t = start(close_under, NULL);
  let_block(t);
  MUST(shutdown(pair[1], SHUT_RDWR));
  finish(t);
}
