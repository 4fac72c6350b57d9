/* What is no socket: stdio, locks of files, FIFOs, eventfds, directories that are watched, files on disk. */
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>

#include "../green.h"

#define GROUP "files"

static int pair[2];
static atomic_int seen;

/* -- stdio */

static FILE *shared;

static void *print_locked(void *arg) {
  for (int i = 0; i < 50; ++i) {
    flockfile(shared);
    for (int j = 0; j < 10; ++j) {
      putc_unlocked('0' + (int)(long)arg, shared);
      if (j == 5 && i % 10 == 0) usleep(50);
    }
    putc_unlocked('\n', shared);
    funlockfile(shared);
  }
  return NULL;
}

static void *try_lock_file(void *arg) {
  say("trylock: %s", ftrylockfile(shared) == 0 ? "had" : "busy");
  return arg;
}

PLAY(stdio_locks) {
  shared = tmpfile();
  pthread_t all[5];
  for (long i = 0; i < 5; ++i) all[i] = start(print_locked, (void *)i);
  for (int i = 0; i < 5; ++i) finish(all[i]);
  rewind(shared);
  char line[40];
  int lines = 0, mixed = 0;
  while (fgets(line, sizeof line, shared) != NULL) {
    ++lines;
    for (int i = 1; i < 10; ++i) mixed += line[i] != line[0];
  }
  say("%d lines, %d mixed", lines, mixed);
  flockfile(shared);
  finish(start(try_lock_file, NULL));
  funlockfile(shared);
}

static void *read_lines(void *arg) {
  char line[100];
  long n = 0;
  while (fgets(line, sizeof line, arg) != NULL) ++n;
  return (void *)n;
}

PLAY(lines_from_a_pipe) {
  pipe_pair(pair);
  FILE *in = fdopen(pair[0], "r"), *out = fdopen(pair[1], "w");
  pthread_t t = start(read_lines, in);
  for (int i = 0; i < 3000; ++i) fprintf(out, "line %d\n", i);
  fclose(out);
  say("%ld", (long)finish(t));
}

/* -- locks of files, and other slow things */

static const char *lock_name;

static void *lock_with_flock(void *arg) {
  const int fd = (int)MUST(open(lock_name, O_RDWR));
  for (int i = 0; i < 20; ++i) {
    MUST(flock(fd, LOCK_EX));
    const int now = atomic_fetch_add(&seen, 1);
    if (now != 0) say("two at once");
    usleep(20);
    atomic_fetch_sub(&seen, 1);
    MUST(flock(fd, LOCK_UN));
  }
  close(fd);
  return arg;
}

PLAY(flock_between_threads) {
  lock_name = fresh_name("lock");
  close((int)MUST(open(lock_name, O_RDWR | O_CREAT, 0600)));
  pthread_t all[5];
  for (int i = 0; i < 5; ++i) all[i] = start(lock_with_flock, NULL);
  for (int i = 0; i < 5; ++i) finish(all[i]);
  say("over");
}

static void *open_fifo(void *arg) {
  const int fd = (int)MUST(open(lock_name, O_RDONLY));
  char c = 0;
  MUST(read(fd, &c, 1));
  close(fd);
  (void)arg;
  return (void *)(long)c;
}

PLAY(a_fifos_two_ends) {
  lock_name = fresh_name("fifo");
  MUST(mkfifo(lock_name, 0600));
  pthread_t t = start(open_fifo, NULL);
  let_block(t);
  const int fd = (int)MUST(open(lock_name, O_WRONLY));
  tell(fd);
  say("%c", (int)(long)finish(t));
}

static void *wait_eventfd(void *arg) {
  uint64_t v;
  MUST(read(pair[0], &v, sizeof v));
  atomic_fetch_add(&seen, (int)v);
  return arg;
}

PLAY(eventfd_as_a_semaphore) {
  pair[0] = (int)MUST(eventfd(0, EFD_SEMAPHORE));
  pthread_t all[5];
  for (int i = 0; i < 5; ++i) all[i] = start(wait_eventfd, NULL);
  const uint64_t five = 5;
  MUST(write(pair[0], &five, sizeof five));
  for (int i = 0; i < 5; ++i) finish(all[i]);
  say("%d", atomic_load(&seen));
}

static void *watch_directory(void *arg) {
  char data[1000];
  MUST(read(pair[0], data, sizeof data));
  const struct inotify_event *e = (const void *)data;
  say("%s", e->name);
  return arg;
}

PLAY(inotify_in_a_thread) {
  const char *name = fresh_name("watched");
  MUST(mkdir(name, 0700));
  pair[0] = (int)MUST(inotify_init());
  MUST(inotify_add_watch(pair[0], name, IN_CREATE));
  pthread_t t = start(watch_directory, NULL);
  let_block(t);
  char file[500];
  snprintf(file, sizeof file, "%s/made", name);
  close((int)MUST(open(file, O_CREAT | O_RDWR, 0600)));
  finish(t);
  unlink(file);
}

static void *file_work(void *arg) {
  const int fd = disk_file(0);
  char data[4096], back[4096];
  long sum = 0;
  for (int i = 0; i < 30; ++i) {
    memset(data, 'a' + (i + (int)(long)arg) % 26, sizeof data);
    MUST(pwrite(fd, data, sizeof data, i * 4096));
    MUST(pread(fd, back, sizeof back, i * 4096));
    sum += memcmp(data, back, sizeof data) == 0;
    if (i % 10 == 0) MUST(fdatasync(fd));
  }
  close(fd);
  return (void *)sum;
}

PLAY(files_in_threads) {
  close(disk_file(0)); /* makes the directory */
  pthread_t all[8];
  for (long i = 0; i < 8; ++i) all[i] = start(file_work, (void *)i);
  for (int i = 0; i < 8; ++i) say("%ld", (long)finish(all[i]));
}
