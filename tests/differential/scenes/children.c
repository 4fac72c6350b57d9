/* Child processes: fork in a part, wait in every form, system, popen, posix_spawn. */
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../scene.h"

#define GROUP "children"

extern char **environ;

static int pair[2], back[2];

/* A child that ends with `status` when the pipe is closed. */
static pid_t child_that_waits(int status) {
  const pid_t child = (pid_t)MUST(fork());
  if (child != 0) return child;
  char c;
  close(pair[1]);
  _exit(read(pair[0], &c, 1) == 0 ? status : 99);
}

static void say_status(int status) {
  if (WIFEXITED(status)) say("exited %d", WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) say("killed by %d", WTERMSIG(status));
  else if (WIFSTOPPED(status)) say("stopped by %d", WSTOPSIG(status));
  else if (WIFCONTINUED(status)) say("continued");
  else say("status %x", (unsigned)status);
}

static void wait_for(void *arg) {
  int status = -1;
  const pid_t child = *(pid_t *)arg;
  DO(waitpid(child, &status, 0) == child ? 0 : -1);
  say_status(status);
}

SCENE(waitpid_of_one) {
  pipe_pair(pair);
  pid_t child = child_that_waits(7);
  part *p = go(wait_for, &child);
  await_blocked(p);
  DO(waitpid(child, NULL, WNOHANG));
  MUST(close(pair[1]));
  join(p);
  DO(waitpid(child, NULL, 0));
  DO(waitpid(-1, NULL, 0));
  DO(wait(NULL));
}

static void wait_for_any(void *arg) {
  int status = -1;
  struct rusage used;
  (void)arg;
  DO(wait4(-1, &status, 0, &used) > 0 ? 0 : -1);
  say_status(status);
  say(used.ru_maxrss > 0 ? "used some" : "used nothing");
}

SCENE(wait_for_any_child) {
  pipe_pair(pair);
  MUST(child_that_waits(8));
  part *p = go(wait_for_any, NULL);
  await_blocked(p);
  MUST(close(pair[1]));
  join(p);
  pipe_pair(pair);
  MUST(child_that_waits(9));
  MUST(close(pair[1]));
  int status = -1;
  DO(wait(&status) > 0 ? 0 : -1);
  say_status(status);
  DO(wait3(&status, 0, NULL));
}

static void wait_id(void *arg) {
  siginfo_t info = {0};
  const pid_t child = *(pid_t *)arg;
  DO(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
  say("%d %d %d", info.si_code == CLD_EXITED, info.si_status, info.si_pid == child);
  DO(waitid(P_PID, (id_t)child, &info, WEXITED));
  say("%d %d %d", info.si_code == CLD_EXITED, info.si_status, info.si_pid == child);
  DO(waitid(P_PID, (id_t)child, &info, WEXITED));
}

SCENE(waitid_forms) {
  pipe_pair(pair);
  pid_t child = child_that_waits(10);
  siginfo_t info = {0};
  DO(waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG));
  say("%d", info.si_pid);
  DO(waitid(P_PID, (id_t)child, &info, 0));
  DO(waitid(77, 1, &info, WEXITED));
  DO(waitid(P_PGID, 1 << 21, &info, WEXITED));
  part *p = go(wait_id, &child);
  await_blocked(p);
  MUST(close(pair[1]));
  join(p);
  DO(waitid(P_ALL, 0, &info, WEXITED));
}

static void kill_later(void *arg) {
  usleep(2000);
  DO(kill(*(pid_t *)arg, SIGTERM));
}

SCENE(stopped_and_killed) {
  pipe_pair(pair);
  pid_t child = child_that_waits(0);
  int status;
  MUST(kill(child, SIGSTOP));
  DO(waitpid(child, &status, WUNTRACED) == child ? 0 : -1);
  say_status(status);
  MUST(kill(child, SIGCONT));
  DO(waitpid(child, &status, WCONTINUED) == child ? 0 : -1);
  say_status(status);
  part *killer = go(kill_later, &child);
  DO(waitpid(child, &status, 0) == child ? 0 : -1);
  say_status(status);
  join(killer);
}

static void wait_for_group(void *arg) {
  int status = -1;
  const pid_t leader = *(pid_t *)arg;
  DO(waitpid(-leader, &status, 0) == leader ? 0 : -1);
  say_status(status);
}

SCENE(group_of_children) {
  pipe_pair(pair);
  pid_t child = child_that_waits(11);
  MUST(setpgid(child, child));
  part *p = go(wait_for_group, &child);
  await_blocked(p);
  MUST(close(pair[1]));
  join(p);
}

static void run_system(void *arg) {
  (void)arg;
  say_status(system("exit 5"));
  say_status(system("kill -9 $$"));
  say("%d", system(NULL) != 0);
  say_status(system("no-such-command-here 2>/dev/null"));
}

static void run_popen(void *arg) {
  (void)arg;
  FILE *f = popen("echo from a child; exit 3", "r");
  char line[64];
  say("%s", fgets(line, sizeof line, f) != NULL ? line : "no line");
  say("%s", fgets(line, sizeof line, f) != NULL ? line : "no line");
  say_status(pclose(f));
  f = popen("read a; read b; test \"$a$b\" = onetwo", "w");
  fprintf(f, "one\n");
  fflush(f);
  fprintf(f, "two\n");
  say_status(pclose(f));
}

SCENE(shells) {
  part *a = go(run_system, NULL), *b = go(run_popen, NULL);
  join(a);
  join(b);
}

static void spawn(void *arg) {
  char *const argv[] = {"sh", "-c", "read line; echo got $line; exit 4", NULL};
  int in[2], out[2], status;
  (void)arg;
  pipe_pair(in);
  pipe_pair(out);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_addclose(&actions, in[1]);
  posix_spawn_file_actions_addclose(&actions, out[0]);
  pid_t child;
  DO_ERROR(posix_spawnp(&child, "sh", &actions, NULL, argv, environ));
  close(in[0]);
  close(out[1]);
  DO(write(in[1], "word\n", 5));
  char line[32] = "";
  DO(read(out[0], line, 31));
  say("%s", line);
  DO(waitpid(child, &status, 0) == child ? 0 : -1);
  say_status(status);
  DO_ERROR(posix_spawn(&child, "/no/such/program", NULL, NULL, argv, environ));
  close(in[1]);
  close(out[0]);
}

SCENE(spawned) { join(go(spawn, NULL)); }

static void fork_and_talk(void *arg) {
  int fds[2], status = 0;
  (void)arg;
  unix_pair(SOCK_STREAM, fds);
  const pid_t child = fork();
  if (child == 0) {
    /* The child's own waits work: it reads what comes later, sleeps, polls. */
    char c;
    struct pollfd p = {fds[1], POLLIN, 0};
    close(fds[0]);
    if (poll(&p, 1, -1) != 1 || read(fds[1], &c, 1) != 1 || usleep(1000) != 0) _exit(1);
    if (write(fds[1], "child", 5) != 5) _exit(2);
    _exit(read(fds[1], &c, 1) == 1 ? 9 : 3);
  }
  close(fds[1]);
  char buffer[16];
  usleep(1000);
  DO(write(fds[0], "p", 1));
  DO(read(fds[0], buffer, 16));
  DO(write(fds[0], "q", 1)); /* its siblings hold copies of this end: closing it would not be an end */
  DO(waitpid(child, &status, 0) == child ? 0 : -1);
  say_status(status);
  close(fds[0]);
}

/* One after the other: what another part would do in the child is the next scene. */
SCENE(fork_in_parts) {
  for (int i = 0; i < 3; ++i) join(go(fork_and_talk, NULL));
}

struct count {
  int forked, runs;
};

static void count_once_forked(void *arg) {
  struct count *c = arg;
  while (__atomic_load_n(&c->forked, __ATOMIC_RELAXED) == 0) usleep(3000);
  __atomic_fetch_add(&c->runs, 1, __ATOMIC_RELAXED);
}

/* A part that is about to run when another one forks: threads stay behind, fibers come along. */
SCENE(what_runs_in_a_child) {
  struct count *c = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int status;
  part *other = go(count_once_forked, c);
  await_blocked(other);
  const pid_t child = fork();
  __atomic_store_n(&c->forked, 1, __ATOMIC_RELAXED);
  if (child == 0) {
    usleep(30000); /* later than the nap in which the part came along */
    _exit(0);
  }
  DO(waitpid(child, &status, 0) == child ? 0 : -1);
  join(other);
  say("counted %d", c->runs);
}

static void read_byte(void *arg) {
  char c;
  DO(read(*(int *)arg, &c, 1));
}

/* What other parts wait for is the parent's; the child takes nothing of it. */
SCENE(fork_while_others_wait) {
  unix_pair(SOCK_STREAM, pair);
  part *reader = go(read_byte, &pair[0]);
  await_blocked(reader);
  const pid_t child = fork();
  if (child == 0) {
    usleep(1000);
    _exit(12);
  }
  int status;
  DO(waitpid(child, &status, 0) == child ? 0 : -1);
  say_status(status);
  tell(pair[1]);
  join(reader);
}

static void exec_after_vfork(void *arg) {
  int status;
  (void)arg;
  const pid_t child = vfork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "exit 6", (char *)NULL);
    _exit(1);
  }
  DO(waitpid(child, &status, 0) == child ? 0 : -1);
  say_status(status);
}

SCENE(vforked) {
  pipe_pair(back);
  part *p = go(exec_after_vfork, NULL);
  join(p);
}

/* SIGCHLD ignored: wait goes on until all are gone, then there is none. */
SCENE(ignored_children) {
  MUST(signal(SIGCHLD, SIG_IGN) == SIG_ERR ? -1 : 0);
  pipe_pair(pair);
  pid_t child = child_that_waits(1);
  part *p = go(wait_for, &child);
  await_blocked(p);
  MUST(close(pair[1]));
  join(p);
}
