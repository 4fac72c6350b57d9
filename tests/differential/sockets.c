/* The things that scenes are set with: sockets, pipes, files. Failures end the scene. */
#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "scene.h"

int tcp_refusing(struct sockaddr_in *at) {
  memset(at, 0, sizeof *at);
  at->sin_family = AF_INET;
  at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof *at;
  const int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
  MUST(bind(fd, (struct sockaddr *)at, size));
  MUST(getsockname(fd, (struct sockaddr *)at, &size));
  return fd;
}

int tcp_listener(struct sockaddr_in *at, int backlog) {
  const int fd = tcp_refusing(at);
  MUST(listen(fd, backlog));
  return fd;
}

int tcp_connected(const struct sockaddr_in *at) {
  const int fd = (int)MUST(socket(AF_INET, SOCK_STREAM, 0));
  MUST(connect(fd, (const struct sockaddr *)at, sizeof *at));
  return fd;
}

void tcp_pair(int fds[2]) {
  struct sockaddr_in at;
  const int l = tcp_listener(&at, 4);
  fds[0] = tcp_connected(&at);
  fds[1] = (int)MUST(accept(l, NULL, NULL));
  MUST(close(l));
}

void udp_pair(int fds[2]) {
  struct sockaddr_in at[2];
  for (int i = 0; i < 2; ++i) {
    memset(&at[i], 0, sizeof at[i]);
    at[i].sin_family = AF_INET;
    at[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at[i];
    fds[i] = (int)MUST(socket(AF_INET, SOCK_DGRAM, 0));
    MUST(bind(fds[i], (struct sockaddr *)&at[i], size));
    MUST(getsockname(fds[i], (struct sockaddr *)&at[i], &size));
  }
  for (int i = 0; i < 2; ++i) MUST(connect(fds[i], (struct sockaddr *)&at[1 - i], sizeof at[i]));
}

void unix_pair(int type, int fds[2]) { MUST(socketpair(AF_UNIX, type, 0, fds)); }

void pipe_pair(int fds[2]) { MUST(pipe(fds)); }

void close_both(const int fds[2]) {
  close(fds[0]);
  close(fds[1]);
}

static char directory[PATH_MAX];
static char names[32][PATH_MAX + 64];
static int name_count;

const char *fresh_name(const char *last) {
  if (directory[0] == 0) {
    const char *tmp = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/weft-scene-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(directory) == NULL) abort();
  }
  if (name_count == 32) abort();
  snprintf(names[name_count], sizeof names[0], "%s/%s", directory, last);
  return names[name_count++];
}

void remove_fresh_names(void) {
  while (name_count > 0)
    if (unlink(names[--name_count]) != 0) rmdir(names[name_count]);
  if (directory[0] != 0) rmdir(directory);
}

int disk_file(size_t size) {
  static int count;
  char name[PATH_MAX + 64];
  fresh_name("");
  --name_count;
  snprintf(name, sizeof name, "%s/disk-%d", directory, __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED));
  const int fd = (int)MUST(open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  char block[4096];
  memset(block, 'f', sizeof block);
  for (size_t left = size; left > 0;) left -= (size_t)MUST(write(fd, block, left < sizeof block ? left : sizeof block));
  MUST(lseek(fd, 0, SEEK_SET));
  MUST(unlink(name));
  return fd;
}

void tell(int fd) { MUST(write(fd, "t", 1)); }

void hear(int fd) {
  char c;
  if (MUST(read(fd, &c, 1)) != 1) abort();
}

void say_flags(const char *what, int fd) {
  const int flags = fcntl(fd, F_GETFL), own = fcntl(fd, F_GETFD);
  say("%s: access %d%s%s%s%s", what, flags & O_ACCMODE, flags & O_NONBLOCK ? " nonblock" : "", flags & O_APPEND ? " append" : "",
      flags & O_ASYNC ? " async" : "", own & FD_CLOEXEC ? " cloexec" : "");
}
