/* Handlers of signals in threads, in the corners: alternate stacks, changed contexts, faults that are mended, signals of a thread's own
 * doing, masks of new programs. */
#define GROUP "handlers"
#include "../signals.h"

#include <setjmp.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

static int pair[2];

static void act(int sig, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  MUST(sigaction(sig, &action, NULL));
}

/* -- alternate stacks */

static __thread char *alternate;
enum { alternate_bytes = 64 << 10 };

static void give_alternate(void) {
  alternate = malloc(alternate_bytes);
  const stack_t stack = {.ss_sp = alternate, .ss_size = alternate_bytes};
  MUST(sigaltstack(&stack, NULL));
}

static int on_alternate(const void *at) { return (const char *)at >= alternate && (const char *)at < alternate + alternate_bytes; }

static void look_at_stack(int sig, siginfo_t *info, void *context) {
  (void)info;
  char here;
  stack_t now;
  sigaltstack(NULL, &now);
  const ucontext_t *u = context;
  say("%s: on the alternate stack %d, said so %d, in the context %d", signal_name(sig), on_alternate(&here),
      (now.ss_flags & SS_ONSTACK) != 0, u->uc_stack.ss_sp == alternate);
  usleep(1000);
  say("still there: %d", on_alternate(&here));
}

static void *with_alternate(void *arg) {
  give_alternate();
  raise(SIGUSR1);
  raise(SIGUSR2);
  tell(pair[0]);
  char c;
  DO(read(pair[0], &c, 1));
  return arg;
}

PLAY(an_alternate_stack_for_whom_it_is_wanted) {
  unix_pair(SOCK_STREAM, pair);
  act(SIGUSR1, look_at_stack, SA_ONSTACK);
  act(SIGUSR2, look_at_stack, 0);
  pthread_t t = start(with_alternate, NULL);
  hear(pair[1]);
  let_block(t);
  OK(pthread_kill(t, SIGUSR1));
  finish(t);
}

/* Code whose stack pointer has no room below it, as on Erlang's processes: every handler has an alternate stack. */

enum { island_bytes = 32 << 10 };
static char island[island_bytes] __attribute__((aligned(64)));
static volatile int there, called_back;

static void come_back(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)info, (void)context;
  char here;
  say("on the alternate stack %d", on_alternate(&here));
  called_back = 1;
}

static void *on_the_island(void *arg) {
  give_alternate();
  memset(island, 'w', sizeof island);
  __asm__ volatile(
      "movq %%rsp, %%rbx\n"
      "movq %0, %%rsp\n"
      "movl $1, %1\n"
      "1: pause\n"
      "cmpl $0, %2\n"
      "je 1b\n"
      "movq %%rbx, %%rsp\n"
      :
      : "r"(island + sizeof island - 64), "m"(there), "m"(called_back)
      : "rbx", "memory", "cc");
  int touched = 0;
  for (int i = 0; i < island_bytes; ++i) touched += island[i] != 'w';
  say("touched %d", touched);
  return arg;
}

PLAY(a_stack_pointer_with_no_room_below_it) {
  act(SIGUSR1, come_back, SA_ONSTACK);
  pthread_t t = start(on_the_island, NULL);
  while (!there) sched_yield();
  OK(pthread_kill(t, SIGUSR1));
  finish(t);
  there = called_back = 0;
  t = start(on_the_island, NULL);
  while (!there) sched_yield();
  const sigset_t set = only(SIGUSR1);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  const pid_t child = MUST(fork());
  if (child == 0) _exit(kill(getppid(), SIGUSR1));
  MUST(waitpid(child, NULL, 0));
  finish(t);
}

/* -- contexts */

// Reads the word at `at`. One copy of its code, whatever the compiler does with its callers.
long read_word(const void *at);
extern char fault_begins[], fault_ends[];
__asm__(
    ".pushsection .text\n"
    ".globl read_word, fault_begins, fault_ends\n"
    ".type read_word, @function\n"
    "read_word:\n"
    "fault_begins: movq (%rdi), %rax\n"
    "fault_ends: ret\n"
    ".size read_word, .-read_word\n"
    ".popsection\n");

static void skip_fault(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)info;
  ucontext_t *u = context;
  usleep(500);
  if (u->uc_mcontext.gregs[REG_RIP] == (greg_t)fault_begins) u->uc_mcontext.gregs[REG_RIP] = (greg_t)fault_ends;
  u->uc_mcontext.gregs[REG_RAX] = 77;
  sigaddset(&u->uc_sigmask, SIGUSR2);
}

static void *skipped(void *arg) {
  give_alternate();
  for (int i = 0; i < 3; ++i) {
    const long got = read_word(bad());
    say("went on with %ld", got);
  }
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  say("blocked by the handler: %d", sigismember(&mask, SIGUSR2));
  return arg;
}

PLAY(a_handler_that_goes_on_elsewhere) {
  act(SIGSEGV, skip_fault, SA_ONSTACK);
  finish(start(skipped, NULL));
  act(SIGSEGV, skip_fault, 0);
  finish(start(skipped, NULL));
}

static char *page;

static void open_page(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)context;
  if ((char *)info->si_addr != page + 8) _exit(5);
  usleep(500);
  MUST(mprotect(page, 4096, PROT_READ | PROT_WRITE));
}

static void *touch(void *arg) {
  double kept = 1.5;
  __asm__ volatile("" : "+x"(kept));
  ((volatile char *)page)[8] = 'w';
  say("%c, %.1f", page[8], kept);
  return arg;
}

PLAY(a_fault_that_is_mended) {
  act(SIGSEGV, open_page, 0);
  for (int i = 0; i < 3; ++i) {
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    finish(start(touch, NULL));
    munmap(page, 4096);
  }
}

/* -- of one's own doing */

static void *write_to_nobody(void *arg) {
  const sigset_t set = only(SIGPIPE);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  const struct timespec none = {0, 0};
  siginfo_t info;
  int ends[2];
  pipe_pair(ends);
  close(ends[0]);
  DO(write(ends[1], "x", 1));
  DO(sigtimedwait(&set, &info, &none));
  int sockets[2];
  unix_pair(SOCK_STREAM, sockets);
  close(sockets[0]);
  DO(send(sockets[1], "x", 1, 0));
  DO(sigtimedwait(&set, &info, &none));
  DO(send(sockets[1], "x", 1, MSG_NOSIGNAL));
  DO(sigtimedwait(&set, &info, &none));
  return arg;
}

/* The signal is fatal to a thread that does not block it, main for one. */
PLAY(a_broken_pipe_is_its_writers) { finish(start(write_to_nobody, NULL)); }

static void *write_and_die(void *arg) {
  int ends[2];
  pipe_pair(ends);
  close(ends[0]);
  QUIETLY(write(ends[1], "x", 1) < 0);
  say("alive");
  return arg;
}

PLAY_ENDS(a_broken_pipe_ends_the_process, "signal 13") {
  const sigset_t set = only(SIGPIPE);
  pthread_t t = start(write_to_nobody, NULL);
  finish(t);
  t = start(write_and_die, NULL);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  finish(t);
}

/* -- ends */

static void leave(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)info, (void)context;
  pthread_exit((void *)7);
}

static void said(void *what) { say("%s", (const char *)what); }

static void *read_for_ever(void *arg) {
  pthread_cleanup_push(said, "cleaned up");
  char c;
  QUIETLY(read(pair[0], &c, 1) < 0);
  pthread_cleanup_pop(0);
  return arg;
}

PLAY(a_handler_that_ends_its_thread) {
  unix_pair(SOCK_STREAM, pair);
  act(SIGUSR1, leave, 0);
  pthread_t t = start(read_for_ever, NULL);
  let_block(t);
  OK(pthread_kill(t, SIGUSR1));
  say("%ld", (long)finish(t));
}

/* -- masks of new programs */

static void *run_others(void *arg) {
  sigset_t set = only(SIGUSR2);
  sigaddset(&set, SIGTERM);
  OK(pthread_sigmask(SIG_SETMASK, &set, NULL));
  char *const words[] = {"grep", "SigBlk", "/proc/self/status", NULL};
  const pid_t forked = fork();
  if (forked == 0) {
    execvp(words[0], words);
    _exit(9);
  }
  int status;
  waitpid(forked, &status, 0);
  pid_t spawned;
  OK(posix_spawnp(&spawned, words[0], NULL, NULL, words, environ));
  waitpid(spawned, &status, 0);
  say("%d", status);
  return arg;
}

PLAY(new_programs_have_the_threads_mask) {
  const sigset_t set = only(SIGUSR1);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  finish(start(run_others, NULL));
}
