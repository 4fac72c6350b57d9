/* vfork, posix_spawn, system, popen, and waiting for children, in threads. */
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "../green.h"

#define GROUP "children"

extern char **environ;

static int pair[2], back[2];

/* -- other ways to make children */

static void *system_in_thread(void *arg) {
  const int status = system("exit 3");
  (void)arg;
  return (void *)(long)(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

PLAY(system_in_threads) {
  pthread_t all[6];
  for (int i = 0; i < 6; ++i) all[i] = start(system_in_thread, NULL);
  for (int i = 0; i < 6; ++i) say("%ld", (long)finish(all[i]));
}

static void *popen_in_thread(void *arg) {
  char command[100], line[100] = "";
  snprintf(command, sizeof command, "echo words %ld; exit %ld", (long)arg, (long)arg);
  FILE *f = popen(command, "r");
  if (f == NULL || fgets(line, sizeof line, f) == NULL) return "nothing";
  const int status = pclose(f);
  char *text = malloc(200);
  snprintf(text, 200, "%.*s, exit %d", (int)strcspn(line, "\n"), line, WEXITSTATUS(status));
  return text;
}

PLAY(popen_in_threads) {
  pthread_t all[6];
  for (int i = 0; i < 6; ++i) all[i] = start(popen_in_thread, (void *)(long)i);
  for (int i = 0; i < 6; ++i) say("%s", (char *)finish(all[i]));
}

static void *spawn_in_thread(void *arg) {
  char *const argv[] = {"sh", "-c", "exit 21", NULL};
  pid_t child;
  int status;
  if (posix_spawnp(&child, "sh", NULL, NULL, argv, environ) != 0) return (void *)-1L;
  MUST(waitpid(child, &status, 0));
  (void)arg;
  return (void *)(long)WEXITSTATUS(status);
}

PLAY(posix_spawn_in_threads) {
  pthread_t all[6];
  for (int i = 0; i < 6; ++i) all[i] = start(spawn_in_thread, NULL);
  for (int i = 0; i < 6; ++i) say("%ld", (long)finish(all[i]));
}

static void *spawn_nothing(void *arg) {
  char *const argv[] = {"nothing", NULL};
  pid_t child;
  DO_ERROR(posix_spawn(&child, "/nonexistent/nothing", NULL, NULL, argv, environ));
  return arg;
}

PLAY(posix_spawn_that_fails) { finish(start(spawn_nothing, NULL)); }

static void *vfork_in_thread(void *arg) {
  const pid_t child = vfork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "exit 22", NULL);
    _exit(99);
  }
  int status;
  MUST(waitpid(child, &status, 0));
  (void)arg;
  return (void *)(long)WEXITSTATUS(status);
}

PLAY(vfork_and_exec_in_threads) {
  pthread_t all[4];
  for (int i = 0; i < 4; ++i) all[i] = start(vfork_in_thread, NULL);
  for (int i = 0; i < 4; ++i) say("%ld", (long)finish(all[i]));
}

static void *wait_for_own_child(void *arg) {
  const pid_t child = fork();
  if (child == 0) {
    usleep((useconds_t)(20 - (long)arg) * 300);
    _exit((int)(long)arg);
  }
  int status;
  const pid_t got = waitpid(child, &status, 0);
  return (void *)(long)(got == child ? WEXITSTATUS(status) : -1);
}

PLAY(each_waits_for_its_own_child) {
  pthread_t all[12];
  for (int i = 0; i < 12; ++i) all[i] = start(wait_for_own_child, (void *)(long)i);
  for (int i = 0; i < 12; ++i) say("%ld", (long)finish(all[i]));
}

static atomic_long sum_of_children;

static void *wait_for_any(void *arg) {
  int status, n = 0;
  while (wait(&status) > 0) {
    atomic_fetch_add(&sum_of_children, WEXITSTATUS(status));
    ++n;
  }
  say("then %s", error_name(errno));
  (void)arg;
  return (void *)(long)n;
}

static void *wait_for_its_own_only(void *arg) {
  char c;
  const pid_t child = fork();
  if (child == 0) _exit(read(pair[0], &c, 1) == 1 ? 9 : 1);
  int status = 0;
  DO(waitpid(child, &status, __WNOTHREAD) == child);
  say("status %d", WEXITSTATUS(status));
  DO(waitpid(child, &status, __WNOTHREAD));
  return arg;
}

/* Others run meanwhile: main, for whom the child waits. */
PLAY(waiting_without_the_children_of_others) {
  unix_pair(SOCK_STREAM, pair);
  pthread_t t = start(wait_for_its_own_only, NULL);
  let_block(t);
  tell(pair[1]);
  finish(t);
}

PLAY(several_wait_for_any_child) {
  pipe_pair(back);
  for (int i = 1; i <= 8; ++i)
    if (fork() == 0) {
      hear(back[0]);
      _exit(i);
    }
  pthread_t all[3];
  long n = 0;
  for (int i = 0; i < 3; ++i) all[i] = start(wait_for_any, NULL);
  for (int i = 0; i < 3; ++i) let_block(all[i]);
  for (int i = 0; i < 8; ++i) tell(back[1]);
  for (int i = 0; i < 3; ++i) n += (long)finish(all[i]);
  say("%ld children, sum %ld", n, atomic_load(&sum_of_children));
}

/* -- what a vfork child begins with is not the other threads' */

static atomic_int step, terminated;

static void note_end(int sig) {
  (void)sig;
  ++terminated;
}

static void *vfork_with_a_mask(void *arg) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  const pid_t child = vfork();
  if (child == 0) {
    execl("/bin/grep", "grep", "SigBlk", "/proc/self/status", NULL);
    _exit(99);
  }
  MUST(waitpid(child, NULL, 0));
  step = 1;
  while (step == 1) usleep(500);
  return arg;
}

PLAY(a_mask_that_a_vfork_child_began_with) {
  signal(SIGTERM, note_end);
  const pthread_t other = start(vfork_with_a_mask, NULL);
  while (step == 0) usleep(500);
  const pid_t child = fork();
  if (child == 0) {
    kill(getppid(), SIGTERM);
    _exit(0);
  }
  MUST(waitpid(child, NULL, 0));
  while (terminated == 0) usleep(500);
  say("terminated %d", terminated);
  step = 2;
  finish(other);
}
