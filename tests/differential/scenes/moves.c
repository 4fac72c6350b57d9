/* Data that moves between descriptors without passing through the program. */
#include <poll.h>
#include <sys/sendfile.h>

#include "../scene.h"

#define GROUP "moves"

static int pair[2], pipes[2], back[2], file;

static void count_bytes(void *arg) {
  char *buffer = bytes(65536, 0);
  long sum = 0;
  for (ssize_t n; (n = read(*(int *)arg, buffer, 65536)) > 0;) sum += n;
  say("sum %ld", sum);
}

SCENE(sendfile_to_a_socket) {
  file = disk_file(1u << 20);
  for (int kind = 0; kind < 2; ++kind) {
    if (kind == 0) tcp_pair(pair);
    else unix_pair(SOCK_STREAM, pair);
    MUST(lseek(file, 0, SEEK_SET));
    part *reader = go(count_bytes, &pair[1]);
    off_t offset = 1000;
    long sum = 0, n = 0;
    while (offset < 1 << 20 && (n = sendfile(pair[0], file, &offset, (1u << 20) - (size_t)offset)) > 0) sum += n;
    say("sent %ld, offset %ld, last %d", sum, (long)offset, n > 0);
    DO(lseek(file, 0, SEEK_CUR));
    DO(sendfile(pair[0], file, NULL, 100));
    DO(lseek(file, 0, SEEK_CUR));
    offset = 1 << 20;
    DO(sendfile(pair[0], file, &offset, 100));
    MUST(close(pair[0]));
    join(reader);
    say_flags("file", file);
  }
}

QUIET_SCENE(sendfile_errors) {
  file = disk_file(1000);
  pipe_pair(pipes);
  unix_pair(SOCK_STREAM, pair);
  off_t offset = -1;
  DO(sendfile(pair[0], file, &offset, 10));
  DO(sendfile(pair[0], file, bad(), 10));
  DO(sendfile(-1, file, NULL, 10));
  DO(sendfile(pair[0], -1, NULL, 10));
  DO(sendfile(pair[0], pair[1], NULL, 10));
  DO(sendfile(pair[0], pipes[0], NULL, 10));
  DO(sendfile(pipes[1], file, NULL, 10));
  DO(sendfile(pair[0], file, NULL, 0));
  MUST(fcntl(pair[0], F_SETFL, O_NONBLOCK));
  const int big = disk_file(4u << 20);
  long n = sendfile(pair[0], big, NULL, 4u << 20);
  say(n > 0 && n < 4 << 20 ? "a part" : "not a part");
  while (sendfile(pair[0], big, NULL, 4096) > 0) {
  }
  DO(sendfile(pair[0], big, NULL, 4096));
}

static void feed(void *arg) {
  (void)arg;
  hear(back[0]);
  DO(write(pair[1], "0123456789", 10));
  hear(back[0]);
  MUST(close(pair[1]));
}

SCENE(splice_from_a_socket) {
  pipe_pair(back);
  pipe_pair(pipes);
  tcp_pair(pair);
  part *feeder = go(feed, NULL);
  char buffer[16];
  tell(back[1]);
  /* SPLICE_F_NONBLOCK is the pipe's: the socket is waited for. */
  DO(splice(pair[0], NULL, pipes[1], NULL, 4, SPLICE_F_NONBLOCK));
  DO(splice(pair[0], NULL, pipes[1], NULL, 100, SPLICE_F_MOVE));
  DO(read(pipes[0], buffer, 16));
  tell(back[1]);
  DO(splice(pair[0], NULL, pipes[1], NULL, 100, 0));
  join(feeder);
  say_flags("socket", pair[0]);
  say_flags("pipe", pipes[1]);
}

static void splice_on(void *arg) {
  (void)arg;
  long sum = 0, n;
  while ((n = splice(pipes[0], NULL, pair[0], NULL, 1u << 20, 0)) > 0) sum += n;
  say("moved %ld, last %ld", sum, n);
  MUST(close(pair[0]));
}

SCENE(splice_to_a_socket) {
  pipe_pair(pipes);
  unix_pair(SOCK_STREAM, pair);
  part *mover = go(splice_on, NULL), *reader = go(count_bytes, &pair[1]);
  char *data = bytes(1u << 20, 'd');
  DO(write(pipes[1], data, 1u << 20));
  MUST(close(pipes[1]));
  join(mover);
  join(reader);
}

static void write_pipe_later(void *arg) {
  (void)arg;
  usleep(1000);
  DO(write(pipes[1], "abcdef", 6));
}

SCENE(tee_and_splice_pipes) {
  int copy[2];
  char buffer[16];
  pipe_pair(pipes);
  pipe_pair(copy);
  part *writer = go(write_pipe_later, NULL);
  DO(tee(pipes[0], copy[1], 4, 0));
  DO(read(copy[0], buffer, 16));
  DO(tee(pipes[0], copy[1], 100, SPLICE_F_NONBLOCK));
  DO(splice(pipes[0], NULL, copy[1], NULL, 100, 0));
  DO(read(copy[0], buffer, 16));
  DO(tee(pipes[0], copy[1], 4, SPLICE_F_NONBLOCK));
  DO(splice(pipes[0], NULL, copy[1], NULL, 4, SPLICE_F_NONBLOCK));
  join(writer);
  MUST(close(pipes[1]));
  DO(tee(pipes[0], copy[1], 4, 0));
  DO(splice(pipes[0], NULL, copy[1], NULL, 4, 0));
  DO(tee(pipes[0], pipes[0], 4, 0));
  file = disk_file(100);
  off_t offset = 10;
  DO(splice(file, &offset, copy[1], NULL, 50, 0));
  say("%ld", (long)offset);
  DO(splice(copy[0], NULL, file, &offset, 20, 0));
  DO(splice(file, NULL, file, NULL, 20, 0));
  DO(splice(copy[0], &offset, file, NULL, 20, 0));
  DO(splice(copy[0], NULL, file, bad(), 20, 0));
  DO(splice(-1, NULL, file, NULL, 20, 0));
  DO(splice(copy[0], NULL, file, NULL, 20, 1 << 20));
  DO(tee(file, copy[1], 4, 0));
}

SCENE(vmsplice_waits_for_room) {
  pipe_pair(pipes);
  MUST(fcntl(pipes[1], F_SETPIPE_SZ, 4096 * 4));
  char *data = bytes(1u << 18, 'v');
  struct iovec parts[2] = {{data, 1u << 17}, {data + (1u << 17), 1u << 17}};
  part *reader = go(count_bytes, &pipes[0]);
  long sum = 0;
  while (parts[0].iov_len > 0) {
    const long n = vmsplice(pipes[1], parts, 1, 0);
    if (n <= 0) break;
    parts[0].iov_base = (char *)parts[0].iov_base + n;
    parts[0].iov_len -= (size_t)n;
    sum += n;
  }
  say("moved %ld", sum);
  DO(vmsplice(pipes[1], &parts[1], 0, 0));
  struct iovec wrong = {bad(), 10};
  DO(vmsplice(pipes[1], &wrong, 1, 0));
  DO(vmsplice(pipes[1], bad(), 1, 0));
  DO(vmsplice(-1, parts, 1, 0));
  DO(vmsplice(back[0], parts, 1, 1 << 20));
  MUST(close(pipes[1]));
  join(reader);
}

QUIET_SCENE(copying_ranges) {
  file = disk_file(10000);
  const int to = disk_file(0);
  off_t from = 100, at = 50;
  DO(copy_file_range(file, &from, to, &at, 5000, 0));
  say("%ld %ld", (long)from, (long)at);
  DO(copy_file_range(file, NULL, to, NULL, 100000, 0));
  DO(copy_file_range(file, NULL, to, NULL, 100, 0));
  DO(copy_file_range(file, &from, to, &at, 10, 77));
  DO(copy_file_range(-1, NULL, to, NULL, 10, 0));
  DO(copy_file_range(file, bad(), to, NULL, 10, 0));
  pipe_pair(pipes);
  DO(copy_file_range(file, NULL, pipes[1], NULL, 10, 0));
}
