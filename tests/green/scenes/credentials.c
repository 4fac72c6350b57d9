/* Credentials: those that libc gives to all threads of a process, and those that Linux gives to one. */
#include <sys/fsuid.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "credentials"

static int pair[2];

/* -- credentials belong to all threads */

static void *wait_then_say_ids(void *arg) {
  char c;
  MUST(read(pair[0], &c, 1));
  uid_t r, e, s;
  gid_t gr, ge, gs;
  MUST(getresuid(&r, &e, &s));
  MUST(getresgid(&gr, &ge, &gs));
  say("effective group %d, user %d", (int)ge, (int)e);
  return arg;
}

PLAY(credentials_of_all_threads) {
  unix_pair(SOCK_STREAM, pair);
  if (getuid() != 0) return;
  pthread_t t = start(wait_then_say_ids, NULL);
  let_block(t);
  DO(setegid(1001));
  DO(seteuid(1002));
  tell(pair[1]);
  finish(t);
  DO(seteuid(0));
  DO(setegid(0));
}

static void *drop_in_thread(void *arg) {
  DO(setresgid(1003, 1003, 1003));
  DO(setresuid(1004, 1004, 1004));
  DO(setuid(0));
  return arg;
}

PLAY(credentials_dropped_by_a_thread) {
  if (getuid() != 0) return;
  finish(start(drop_in_thread, NULL));
  say("main: %d %d", (int)geteuid(), (int)getegid());
  DO(seteuid(0));
}

/* What a call does here depends on what it finds: made twice, it would change more. */
static void *say_users(void *arg) {
  char c;
  uid_t r, e, s;
  MUST(read(pair[0], &c, 1));
  MUST(getresuid(&r, &e, &s));
  say("users %d %d %d", (int)r, (int)e, (int)s);
  return arg;
}

PLAY(credentials_changed_once_for_all_threads) {
  unix_pair(SOCK_STREAM, pair);
  if (getuid() != 0) return;
  pthread_t all[3];
  for (int i = 0; i < 3; ++i) all[i] = start(say_users, NULL);
  for (int i = 0; i < 3; ++i) let_block(all[i]);
  DO(setresuid(1004, 1004, -1));
  DO(setuid(0));
  for (int i = 0; i < 3; ++i) tell(pair[1]);
  for (int i = 0; i < 3; ++i) finish(all[i]);
}

/* -- credentials of one thread: Linux's own calls, which libc passes on for the thread that makes them only */

static int owner_of_new_file(const char *name) {
  char path[100];
  snprintf(path, sizeof path, "/tmp/weft-scene-%d-%s", getpid(), name);
  const int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (fd < 0) return -errno;
  struct stat s;
  MUST(fstat(fd, &s));
  close(fd);
  unlink(path);
  return (int)s.st_uid;
}

static void say_all_ids(const char *who) {
  uid_t r, e, s;
  gid_t gr, ge, gs;
  MUST(syscall(SYS_getresuid, &r, &e, &s));
  MUST(syscall(SYS_getresgid, &gr, &ge, &gs));
  const int fs = (int)syscall(SYS_setfsuid, -1);
  say("%s: %d %d %d, files as %d; %d %d %d; a file's owner: %d", who, (int)r, (int)e, (int)s, fs, (int)gr, (int)ge, (int)gs,
      owner_of_new_file(who));
}

static int relay[3][2];

static void *inherit_users(void *arg) {
  say_all_ids("its child");
  return arg;
}

static void *as_user_of_files(void *arg) {
  DO(setfsuid(1007));
  DO(setfsuid(-1));
  tell(relay[0][1]);
  hear(relay[1][0]);
  say_all_ids("of files");
  finish(start(inherit_users, NULL));
  DO(setfsuid(0));
  tell(relay[0][1]);
  return arg;
}

static void *as_effective_user(void *arg) {
  gid_t groups[2] = {2001, 2002};
  DO(syscall(SYS_setgroups, 2, groups));
  DO(syscall(SYS_setresgid, -1, 1009, -1));
  DO(syscall(SYS_setresuid, -1, 1008, -1));
  DO(syscall(SYS_setuid, 1));
  tell(relay[0][1]);
  hear(relay[2][0]);
  say_all_ids("effective");
  say("groups: %d", getgroups(2, groups));
  struct { uint32_t version; int pid; } header = {0x20080522, 0};
  uint32_t caps[6];
  MUST(syscall(SYS_capget, &header, caps));
  say("effective capabilities: %d", caps[0] != 0);
  tell(relay[0][1]);
  return arg;
}

PLAY(credentials_of_one_thread) {
  if (getuid() != 0) return;
  for (int i = 0; i < 3; ++i) unix_pair(SOCK_STREAM, relay[i]);
  pthread_t a = start(as_user_of_files, NULL);
  hear(relay[0][0]);
  pthread_t b = start(as_effective_user, NULL);
  hear(relay[0][0]);
  gid_t groups[64];
  const int before = getgroups(64, groups);
  say_all_ids("main");
  say("main's groups are not those: %d", before != 2 || groups[0] != 2001);
  for (int i = 0; i < 2; ++i) {
    tell(relay[1 + i][1]);
    hear(relay[0][0]);
    say_all_ids("main again");
  }
  finish(a);
  finish(b);
  struct { uint32_t version; int pid; } header = {0x20080522, 0};
  uint32_t caps[6];
  MUST(syscall(SYS_capget, &header, caps));
  say("main's effective capabilities: %d", caps[0] != 0);
  DO(seteuid(1002));
  say_all_ids("main at last");
  DO(seteuid(0));
}

static void *fork_as_another(void *arg) {
  DO(syscall(SYS_setresuid, -1, 1008, -1));
  const pid_t child = fork();
  if (child == 0) {
    say_all_ids("forked");
    _exit(0);
  }
  int status;
  MUST(waitpid(child, &status, 0));
  return arg;
}

PLAY(a_child_of_a_thread_with_credentials_of_its_own) {
  if (getuid() != 0) return;
  finish(start(fork_as_another, NULL));
  say_all_ids("main");
}

static void *rest_as_user_of_files(void *arg) {
  DO(setfsuid(1003));
  tell(pair[1]);
  return arg;
}

/* Threads differ, and then there is only one. */
PLAY(credentials_of_the_last_thread) {
  if (getuid() != 0) return;
  unix_pair(SOCK_STREAM, pair);
  DO(setfsuid(0));
  pthread_t other = start(rest_as_user_of_files, NULL);
  hear(pair[0]);
  DO(setfsuid(1004));
  usleep(500);
  DO(setfsuid(-1));
  finish(other);
  usleep(500);
  DO(setfsuid(0));
  usleep(500);
  DO(setfsuid(-1));
  have_company();
  usleep(500);
  DO(setfsuid(-1));
}
