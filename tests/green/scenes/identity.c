/* What the kernel knows a thread by: numbers, names, files in /proc; and what it has of a process, or of its own. */
#include <dirent.h>
#include <sys/prctl.h>

#include "../green.h"

#define GROUP "identity"

static int pair[2];

static pid_t own_tid(void) { return (pid_t)syscall(SYS_gettid); }

static void *give_tid(void *arg) {
  (void)arg;
  usleep(500);
  return (void *)(long)own_tid();
}

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

PLAY(tids_differ) {
  enum { crowd = 50 };
  pthread_t all[crowd];
  int tids[crowd + 1], same = 0;
  for (int i = 0; i < crowd; ++i) all[i] = start(give_tid, NULL);
  for (int i = 0; i < crowd; ++i) tids[i] = (int)(long)finish(all[i]);
  tids[crowd] = own_tid();
  qsort(tids, crowd + 1, sizeof tids[0], by_number);
  for (int i = 0; i < crowd; ++i) same += tids[i] == tids[i + 1];
  say("%d the same; main's is the process's: %d", same, own_tid() == getpid());
}

static void *say_ids(void *arg) {
  say("gettid twice the same: %d, getpid: %d", own_tid() == gettid(), getpid() == (pid_t)(long)arg);
  say("its own number is not the process's: %d", own_tid() != getpid());
  return NULL;
}

PLAY(ids_of_a_thread) { finish(start(say_ids, (void *)(long)getpid())); }

/* -- names */

static void *have_name(void *arg) {
  char name[20];
  OK(pthread_getname_np(pthread_self(), name, sizeof name));
  say("at first: %s", name);
  DO_ERROR(pthread_setname_np(pthread_self(), arg));
  MUST(prctl(PR_GET_NAME, name));
  say("by prctl: %s", name);
  tell(pair[1]);
  char c;
  MUST(read(pair[1], &c, 1));
  OK(pthread_getname_np(pthread_self(), name, sizeof name));
  say("renamed by main: %s", name);
  MUST(prctl(PR_SET_NAME, "a name that is longer than fits"));
  OK(pthread_getname_np(pthread_self(), name, sizeof name));
  say("cut: %s", name);
  return NULL;
}

static void say_comm(pid_t tid) {
  char path[64], text[64] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/comm", tid);
  const int fd = open(path, O_RDONLY);
  if (fd < 0) {
    say("comm: %s", error_name(errno));
    return;
  }
  MUST(read(fd, text, sizeof text - 1));
  close(fd);
  text[strcspn(text, "\n")] = 0;
  say("comm: %s", text);
}

PLAY(names_of_threads) {
  char name[20];
  unix_pair(SOCK_STREAM, pair);
  OK(pthread_setname_np(pthread_self(), "the main one"));
  pthread_t t = start(have_name, "worker");
  hear(pair[0]);
  OK(pthread_getname_np(t, name, sizeof name));
  say("seen by main: %s", name);
  say_comm(tid_of(t));
  DO_ERROR(pthread_setname_np(t, "other"));
  DO_ERROR(pthread_setname_np(t, "much too long for a name"));
  DO_ERROR(pthread_getname_np(t, name, 3));
  tell(pair[0]);
  finish(t);
  OK(pthread_getname_np(pthread_self(), name, sizeof name));
  say("main: %s", name);
  say_comm(getpid());
}

/* -- the list of threads */

static void *wait_in_read(void *arg) {
  char c;
  QUIETLY(read(pair[0], &c, 1) < 0);
  return arg;
}

static int count_tasks(void) {
  DIR *d = opendir("/proc/self/task");
  int n = 0;
  for (struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static int status_threads(void) {
  FILE *f = fopen("/proc/self/status", "r");
  char line[200];
  int n = -1;
  while (fgets(line, sizeof line, f) != NULL) sscanf(line, "Threads: %d", &n);
  fclose(f);
  return n;
}

PLAY(the_list_of_tasks) {
  pthread_t all[5];
  unix_pair(SOCK_STREAM, pair);
  say("%d %d", count_tasks(), status_threads());
  for (int i = 0; i < 5; ++i) all[i] = start(wait_in_read, NULL);
  for (int i = 0; i < 5; ++i) let_block(all[i]);
  say("%d %d", count_tasks(), status_threads());
  pid_t tids[5];
  for (int i = 0; i < 5; ++i) tids[i] = tid_of(all[i]);
  for (int i = 0; i < 5; ++i) tell(pair[1]);
  for (int i = 0; i < 5; ++i) finish(all[i]);
  /* The kernel forgets a thread a moment after it lets the join go on. */
  for (int i = 0; i < 5; ++i)
    while (syscall(SYS_tgkill, getpid(), tids[i], 0) == 0) usleep(500);
  say("%d %d", count_tasks(), status_threads());
}

PLAY(files_of_a_task) {
  static const char *const names[] = {"comm", "stat", "status", "cmdline", "maps", "children", "sched", "nothing"};
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(wait_in_read, NULL);
  let_block(t);
  for (unsigned i = 0; i < sizeof names / sizeof names[0]; ++i) {
    char path[100], c;
    snprintf(path, sizeof path, "/proc/self/task/%d/%s", tid_of(t), names[i]);
    const int fd = open(path, O_RDONLY);
    say("%s: %s", names[i], fd < 0 ? error_name(errno) : read(fd, &c, 1) >= 0 ? "read" : error_name(errno));
    if (fd >= 0) close(fd);
  }
  char path[100];
  struct stat s;
  snprintf(path, sizeof path, "/proc/%d/task/%d", getpid(), tid_of(t));
  DO(stat(path, &s));
  DO(access("/proc/self/task/999999999", F_OK));
  tell(pair[1]);
  finish(t);
}

/* A file's line that begins with `key`, without what stands before its value. */
static void line_of(const char *path, const char *key, char *value, size_t size) {
  FILE *f = fopen(path, "r");
  char line[4096];
  snprintf(value, size, "(none)");
  if (f == NULL) return;
  while (fgets(line, sizeof line, f) != NULL)
    if (strncmp(line, key, strlen(key)) == 0) snprintf(value, size, "%.*s", (int)strcspn(line + strlen(key), "\n"), line + strlen(key));
  fclose(f);
}

/* Field `n` of a stat file, counted from the one behind the name, which is 3. */
static long stat_field(const char *path, int n) {
  char text[4096];
  line_of(path, "", text, sizeof text);
  char *at = strrchr(text, ')');
  for (; at != NULL && n >= 3; --n) at = strchr(at + 1, ' ');
  return at != NULL ? atol(at) : -1;
}

static int said[2];

static void *wait_masked(void *arg) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigaddset(&set, SIGTERM);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  OK(pthread_setname_np(pthread_self(), arg));
  OK(pthread_kill(pthread_self(), SIGUSR2));
  char link[64], own[64];
  const ssize_t n = readlink("/proc/thread-self", link, sizeof link - 1);
  link[n > 0 ? n : 0] = 0;
  snprintf(own, sizeof own, "%d/task/%d", getpid(), own_tid());
  say("/proc/thread-self is its own: %d", strcmp(link, own) == 0);
  char name[64];
  line_of("/proc/thread-self/status", "Name:\t", name, sizeof name);
  say("by thread-self: %s", name);
  tell(said[1]);
  return wait_in_read(NULL);
}

PLAY(what_files_say_of_a_thread) {
  unix_pair(SOCK_STREAM, pair);
  struct sigaction act = {.sa_handler = SIG_IGN};
  MUST(sigaction(SIGWINCH, &act, NULL));
  unix_pair(SOCK_STREAM, said);
  pthread_t t = start(wait_masked, "of (its) own");
  hear(said[0]);
  let_block(t);
  const pid_t tid = tid_of(t);
  char path[100], value[200];
  static const char *const keys[] = {"Name:\t", "State:\t", "Threads:\t", "SigPnd:\t", "SigBlk:\t", "ShdPnd:\t", "SigIgn:\t"};
  snprintf(path, sizeof path, "/proc/%d/task/%d/status", getpid(), tid);
  for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; ++i) {
    line_of(path, keys[i], value, sizeof value);
    say("%s %s", keys[i], value);
  }
  line_of(path, "Pid:\t", value, sizeof value);
  say("its number: %d", atoi(value) == tid);
  line_of(path, "Tgid:\t", value, sizeof value);
  say("its process: %d", atoi(value) == getpid());
  line_of("/proc/self/status", "SigBlk:\t", value, sizeof value);
  say("main blocks %s", value);
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
  line_of(path, "", value, sizeof value);
  say("%.17s", strchr(value, '('));
  say("signals: %ld %ld %ld", stat_field(path, 31), stat_field(path, 32), stat_field(path, 33));
  say("threads: %ld, of the process %ld", stat_field(path, 20), stat_field("/proc/self/stat", 20));
  struct stat s;
  MUST(stat("/proc/self/task", &s));
  say("links: %d", (int)s.st_nlink);
  tell(pair[1]);
  finish(t);
}

/* What main reads while others wait for it: tids in the order in which they are listed. */
static int list_tasks(DIR *d, int *tids, int most) {
  int n = 0;
  for (struct dirent *e; n < most && (e = readdir(d)) != NULL;)
    if (e->d_name[0] != '.') tids[n++] = atoi(e->d_name);
  return n;
}

PLAY(the_folder_of_tasks) {
  enum { crowd = 40 };
  pthread_t all[crowd];
  int listed[crowd + 10], known[crowd + 1], again[crowd + 10];
  unix_pair(SOCK_STREAM, pair);
  for (int i = 0; i < crowd; ++i) all[i] = start(wait_in_read, NULL);
  for (int i = 0; i < crowd; ++i) let_block(all[i]);
  for (int i = 0; i < crowd; ++i) known[i] = tid_of(all[i]);
  known[crowd] = getpid();
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task", getpid());
  DIR *d = opendir(path);
  const int n = list_tasks(d, listed, crowd + 10);
  rewinddir(d);
  const int m = list_tasks(d, again, crowd + 10);
  qsort(known, crowd + 1, sizeof known[0], by_number);
  qsort(listed, (size_t)n, sizeof listed[0], by_number);
  qsort(again, (size_t)m, sizeof again[0], by_number);
  say("%d listed, the ones there are: %d; again: %d", n, n == crowd + 1 && memcmp(known, listed, sizeof known) == 0,
      m == n && memcmp(listed, again, (size_t)n * sizeof again[0]) == 0);
  int readable = 0;
  for (int i = 0; i <= crowd; ++i) {
    char name[40], text[12] = "";
    snprintf(name, sizeof name, "%d/stat", known[i]);
    const int fd = openat(dirfd(d), name, O_RDONLY);
    readable += fd >= 0 && read(fd, text, sizeof text - 1) > 0 && atoi(text) == known[i];
    if (fd >= 0) close(fd);
  }
  say("stat files read from the open folder: %d", readable);
  closedir(d);
  char tiny[8];
  const int fd = open(path, O_RDONLY | O_DIRECTORY);
  DO(syscall(SYS_getdents64, fd, tiny, sizeof tiny));
  DO(syscall(SYS_getdents64, fd, (void *)8, 1000));
  DO(syscall(SYS_getdents64, -1, tiny, sizeof tiny));
  close(fd);
  const int status = open("/proc/self/status", O_RDONLY);
  char text[4096] = "";
  MUST(read(status, text, sizeof text - 1));
  say("before: %d", atoi(strstr(text, "Threads:") + 8));
  for (int i = 0; i < crowd; ++i) tell(pair[1]);
  for (int i = 0; i < crowd; ++i) finish(all[i]);
  for (int i = 0; i < 5000 && status_threads() > 1; ++i) usleep(1000);
  memset(text, 0, sizeof text);
  MUST(lseek(status, 0, SEEK_SET));
  MUST(read(status, text, sizeof text - 1));
  say("read again: %d", atoi(strstr(text, "Threads:") + 8));
  close(status);
}

/* -- what a parent leaves */

static void *await_death(void *arg) {
  int sig = -1;
  MUST(prctl(PR_GET_PDEATHSIG, &sig));
  say("at first %d", sig);
  DO(prctl(PR_SET_PDEATHSIG, SIGUSR2));
  MUST(prctl(PR_GET_PDEATHSIG, &sig));
  say("then %d", sig);
  DO(prctl(PR_SET_PDEATHSIG, 77));
  DO(prctl(PR_GET_PDEATHSIG, 8));
  return arg;
}

PLAY(a_signal_at_the_parents_death_is_a_threads_own) {
  int sig = -1;
  MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
  finish(start(await_death, NULL));
  MUST(prctl(PR_GET_PDEATHSIG, &sig));
  say("main's: %d", sig);
}

/* -- limits, directories and umask belong to the process */

static void *change_directory(void *arg) {
  MUST(chdir("/"));
  umask(027);
  return arg;
}

PLAY(directory_and_umask) {
  finish(start(change_directory, NULL));
  char name[100];
  say("%s, umask %o", getcwd(name, sizeof name), umask(0));
}

static void *unshare_directory(void *arg) {
  DO(unshare(CLONE_FS));
  MUST(chdir("/proc"));
  char name[100];
  say("the thread: %s", getcwd(name, sizeof name));
  return arg;
}

PLAY(a_directory_of_a_threads_own) {
  MUST(chdir("/"));
  finish(start(unshare_directory, NULL));
  char name[100];
  say("main: %s", getcwd(name, sizeof name));
}

static void *parent_death(void *arg) {
  int sig = -1;
  DO(prctl(PR_GET_PDEATHSIG, &sig));
  say("%d", sig);
  DO(prctl(PR_GET_DUMPABLE));
  DO(prctl(PR_GET_KEEPCAPS));
  DO(prctl(PR_GET_TIMERSLACK) > 0);
  return arg;
}

PLAY(prctl_in_a_thread) { finish(start(parent_death, NULL)); }
