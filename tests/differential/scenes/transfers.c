/* read, write and their vector and positioned forms, on pipes, sockets and files. */
#include "../scene.h"

#define GROUP "transfers"

static int pair[2], back[2], file;
static const size_t megabyte = 1u << 20;

/* Reads to the end and says how much it was. */
static void sum_up(void *arg) {
  const int fd = *(int *)arg;
  char *buffer = bytes(70000, 0);
  long sum = 0;
  for (ssize_t n; (n = read(fd, buffer, 70000)) > 0;) sum += n;
  say("sum %ld", sum);
}

SCENE(pipe_transfer) {
  pipe_pair(pair);
  part *reader = go(sum_up, &pair[0]);
  char *data = bytes(megabyte, 'd');
  DO(write(pair[1], data, 1u << 20));
  struct iovec parts[3] = {{data, 100000}, {NULL, 0}, {data, 200000}};
  DO(writev(pair[1], parts, 3));
  DO(write(pair[1], data, 0));
  DO(writev(pair[1], parts, 0));
  MUST(close(pair[1]));
  join(reader);
}

SCENE(socket_transfer) {
  tcp_pair(pair);
  part *reader = go(sum_up, &pair[1]);
  const size_t size = 4 * megabyte;
  char *data = bytes(size, 'd');
  DO(send(pair[0], data, size, 0));
  DO(write(pair[0], data, size));
  struct iovec parts[2] = {{data, size / 2}, {data, size / 2}};
  DO(writev(pair[0], parts, 2));
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  DO(sendmsg(pair[0], &message, MSG_NOSIGNAL));
  MUST(shutdown(pair[0], SHUT_WR));
  join(reader);
}

SCENE(unix_stream_transfer) {
  unix_pair(SOCK_STREAM, pair);
  part *reader = go(sum_up, &pair[1]);
  char *data = bytes(megabyte * 2, 'd');
  DO(write(pair[0], data, 2 * megabyte));
  DO(send(pair[0], data, 2 * megabyte, 0));
  MUST(close(pair[0]));
  join(reader);
}

static void answer_in_pieces(void *arg) {
  (void)arg;
  hear(back[0]);
  DO(write(pair[1], "abcdef", 6));
  hear(back[0]);
  DO(write(pair[1], "ghi", 3));
  MUST(close(pair[1]));
}

SCENE(short_reads) {
  pipe_pair(pair);
  pipe_pair(back);
  part *writer = go(answer_in_pieces, NULL);
  char one[4] = "", two[16] = "";
  struct iovec parts[2] = {{one, 3}, {two, 15}};
  tell(back[1]);
  DO(readv(pair[0], parts, 2));
  say("%.3s %s", one, two);
  tell(back[1]);
  DO(read(pair[0], two, 2));
  DO(readv(pair[0], parts, 2));
  say("%.3s", one);
  DO(read(pair[0], two, 15));
  DO(readv(pair[0], parts, 2));
  join(writer);
}

static void fill_and_close(void *arg) {
  char *data = bytes(megabyte, 'd');
  struct iovec parts[2] = {{data, 10}, {data + 10, megabyte - 10}};
  DO(arg != NULL ? writev(pair[1], parts, 2) : write(pair[1], data, 1u << 20));
  DO(write(pair[1], data, 1));
}

/* The reader goes away in the middle: what was taken counts, then EPIPE. How much fits is a matter of pages, and the same here. */
SCENE(partial_write) {
  MUST(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
  for (int vector = 0; vector < 2; ++vector) {
    pipe_pair(pair);
    part *writer = go(fill_and_close, vector ? pair : NULL);
    await_blocked(writer);
    MUST(close(pair[0]));
    join(writer);
    MUST(close(pair[1]));
  }
}

QUIET_SCENE(positioned) {
  file = disk_file(1000);
  char a[16] = "", b[16] = "";
  struct iovec parts[2] = {{a, 4}, {b, 8}};
  DO(pread(file, a, 8, 996));
  DO(pread(file, a, 8, 1000));
  DO(pread(file, a, 8, -1));
  DO(pwrite(file, "ABCDEFGH", 8, 10));
  DO(preadv(file, parts, 2, 10));
  say("%.4s %.8s", a, b);
  DO(pwritev(file, parts, 2, 20));
  DO(preadv(file, parts, 2, -5));
  DO(pwritev(file, parts, -1, 0));
  DO(preadv(file, parts, 2000, 0));
  DO(lseek(file, 0, SEEK_CUR));
  DO(preadv2(file, parts, 2, -1, 0));
  DO(lseek(file, 0, SEEK_CUR));
  DO(preadv2(file, parts, 2, 4, 0));
  DO(preadv2(file, parts, 2, 4, 1 << 30));
  DO(pwritev2(file, parts, 2, 0, RWF_APPEND));
  DO(lseek(file, 0, SEEK_END));
  DO(pwritev2(file, parts, 1, 3, RWF_DSYNC));
  DO(pwritev2(file, parts, 1, 3, 1 << 30));
  DO(pwritev2(file, parts, 1, 3, RWF_SYNC));
  /* RWF_NOWAIT: the pages were just written. */
  DO(preadv2(file, parts, 2, 0, RWF_NOWAIT));
  pipe_pair(pair);
  DO(pread(pair[0], a, 1, 0));
  DO(pwrite(pair[1], a, 1, 0));
  DO(preadv(pair[0], parts, 1, 0));
  DO(pwritev(pair[1], parts, 1, 0));
  DO(preadv2(pair[0], parts, 1, 0, 0));
  DO(preadv2(pair[0], parts, 1, -1, RWF_NOWAIT));
  say_flags("file", file);
  say_flags("pipe", pair[0]);
}

static void feed_pipe(void *arg) {
  (void)arg;
  hear(back[0]);
  DO(write(pair[1], "0123456789", 10));
}

SCENE(preadv2_of_a_pipe) {
  pipe_pair(pair);
  pipe_pair(back);
  part *writer = go(feed_pipe, NULL);
  char a[4] = "", b[4] = "";
  struct iovec parts[2] = {{a, 3}, {b, 3}};
  tell(back[1]);
  DO(preadv2(pair[0], parts, 2, -1, 0));
  say("%s %s", a, b);
  DO(pwritev2(pair[1], parts, 2, -1, 0));
  DO(preadv2(pair[0], parts, 2, -1, 0));
  say("%s %s", a, b);
  DO(preadv2(pair[0], parts, 2, -1, 0));
  say("%s %s", a, b);
  join(writer);
}

QUIET_SCENE(transfer_errors) {
  pipe_pair(pair);
  char c = 0;
  struct iovec huge[2] = {{&c, 1}, {&c, (size_t)-1}};
  DO(read(-1, &c, 1));
  DO(write(-1, &c, 1));
  DO(readv(-1, huge, 1));
  DO(writev(-1, huge, 1));
  DO(read(12345, &c, 1));
  DO(read(pair[1], &c, 1));
  DO(write(pair[0], &c, 1));
  DO(readv(pair[1], huge, 1));
  DO(writev(pair[0], huge, 1));
  DO(writev(pair[1], huge, 2));
  DO(readv(pair[0], huge, 2));
  DO(writev(pair[1], huge, 5000));
  DO(readv(pair[0], huge, 5000));
  DO(writev(pair[1], huge, -1));
  DO(write(pair[1], &c, 1));
  DO(read(pair[0], &c, 0));
  DO(read(pair[0], &c, 1));
  const int directory = (int)MUST(open("/", O_RDONLY | O_DIRECTORY));
  DO(read(directory, &c, 1));
  const int path = (int)MUST(open("/", O_PATH));
  DO(read(path, &c, 1));
  const int null = (int)MUST(open("/dev/null", O_RDWR));
  DO(read(null, &c, 1));
  DO(write(null, &c, 1));
  const int full = (int)MUST(open("/dev/full", O_RDWR));
  DO(write(full, &c, 1));
  DO(read(full, &c, 1));
}

static void read_one(void *arg) {
  char c;
  tell(back[1]);
  AS("read", read(*(int *)arg, &c, 1));
}

SCENE(a_hundred_readers) {
  unix_pair(SOCK_STREAM, pair);
  pipe_pair(back);
  part *all[100];
  for (int i = 0; i < 100; ++i) all[i] = go(read_one, &pair[0]);
  for (int i = 0; i < 100; ++i) hear(back[0]);
  char *data = bytes(100, 'x');
  DO(write(pair[1], data, 100));
  for (int i = 0; i < 100; ++i) join(all[i]);
}

QUIET_SCENE(sigpipe_rules) {
  sigset_t set, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  MUST(sigprocmask(SIG_BLOCK, &set, NULL));
  const struct timespec now = {0, 0};
  pipe_pair(pair);
  MUST(close(pair[0]));
  DO(write(pair[1], "x", 1));
  DO(sigpending(&pending));
  say("pending %d", sigismember(&pending, SIGPIPE));
  DO(sigtimedwait(&set, NULL, &now) == SIGPIPE);
  int fds[2];
  tcp_pair(fds);
  const struct linger hard = {1, 0};
  MUST(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
  MUST(close(fds[1]));
  char c;
  DO(recv(fds[0], &c, 1, 0));
  DO(send(fds[0], "x", 1, MSG_NOSIGNAL));
  DO(sigtimedwait(&set, NULL, &now));
  DO(send(fds[0], "x", 1, 0));
  DO(sigtimedwait(&set, NULL, &now) == SIGPIPE);
  struct iovec part = {"x", 1};
  DO(writev(fds[0], &part, 1));
  DO(sigtimedwait(&set, NULL, &now) == SIGPIPE);
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  DO(sendmsg(fds[0], &message, MSG_NOSIGNAL));
  DO(sigtimedwait(&set, NULL, &now));
  DO(recv(fds[0], &c, 1, 0));
}
