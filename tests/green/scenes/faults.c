/* Faults and deadly signals in threads: handlers on a stack of the thread's own, recovery by siglongjmp, and the process's end by them. */
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "../green.h"

#define GROUP "faults"

enum { signal_stack_size = 65536 };

static __thread sigjmp_buf out;
static __thread char *fault_at;
static __thread char *own_signal_stack;
static __thread int on_own_stack;

static void no_core(void) {
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

static void recover(int sig, siginfo_t *info, void *context) {
  char here;
  (void)sig;
  (void)context;
  fault_at = info->si_addr;
  on_own_stack = &here >= own_signal_stack && &here < own_signal_stack + signal_stack_size;
  siglongjmp(out, info->si_code);
}

static void set_signal_stack(void) {
  own_signal_stack = malloc(signal_stack_size);
  const stack_t s = {.ss_sp = own_signal_stack, .ss_size = signal_stack_size};
  MUST(sigaltstack(&s, NULL));
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  MUST(sigaction(sig, &action, NULL));
}

static volatile int depth_sum;

__attribute__((noinline)) static int recurse(int n) {
  volatile char frame[2000];
  frame[0] = (char)n;
  depth_sum += frame[0];
  return n < 0 ? 0 : recurse(n + 1) + frame[0];  // never: the stack ends first
}

static void *overflow(void *arg) {
  set_signal_stack();
  int recovered = 0;
  for (volatile int i = 0; i < 3; ++i) {
    if (sigsetjmp(out, 1) == 0) recurse(0);
    else recovered += on_own_stack;
    usleep(500);
  }
  (void)arg;
  return (void *)(long)recovered;
}

PLAY(stack_overflow_on_a_stack_for_signals) {
  handle(SIGSEGV, recover, SA_ONSTACK);
  say("%ld", (long)finish(start(overflow, NULL)));
}

PLAY(stack_overflow_in_several_threads) {
  pthread_t all[3];
  handle(SIGSEGV, recover, SA_ONSTACK);
  for (int i = 0; i < 3; ++i) all[i] = start(overflow, NULL);
  for (int i = 0; i < 3; ++i) say("%ld", (long)finish(all[i]));
}

PLAY(stack_overflow_in_main) {
  handle(SIGSEGV, recover, SA_ONSTACK);
  const struct rlimit small = {1 << 20, RLIM_INFINITY};
  setrlimit(RLIMIT_STACK, &small);
  say("%ld", (long)overflow(NULL));
  say("%ld", (long)finish(start(overflow, NULL)));
}

static void *touch(void *arg) {
  set_signal_stack();
  int right = 0;
  for (volatile int i = 0; i < 20; ++i) {
    volatile char *const at = (char *)arg + i * 16;
    const int code = sigsetjmp(out, 1);
    if (code == 0) *at = 1;
    else right += code == SEGV_ACCERR && fault_at == (char *)at && on_own_stack;
  }
  return (void *)(long)right;
}

PLAY(faults_in_several_threads) {
  pthread_t all[5];
  handle(SIGSEGV, recover, SA_ONSTACK);
  char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 5; ++i) all[i] = start(touch, page);
  for (int i = 0; i < 5; ++i) say("%ld", (long)finish(all[i]));
}

static void *touch_nothing(void *arg) {
  set_signal_stack();
  const int code = sigsetjmp(out, 1);
  if (code == 0) *(volatile char *)bad() = 1;
  say("%s at %ld, on its stack: %d", code == SEGV_MAPERR ? "SEGV_MAPERR" : "otherwise", (long)fault_at, on_own_stack);
  return arg;
}

PLAY(a_bad_pointer) {
  handle(SIGSEGV, recover, SA_ONSTACK);
  finish(start(touch_nothing, NULL));
  touch_nothing(NULL);
}

/* Without SA_ONSTACK the handler runs on the thread's stack. */
PLAY(a_handler_on_the_threads_stack) {
  handle(SIGSEGV, recover, 0);
  finish(start(touch_nothing, NULL));
}

/* -- the other faults */

static void *divide(void *arg) {
  volatile int zero = 0, one = 1;
  const int code = sigsetjmp(out, 1);
  if (code == 0) one = one / zero;
  say("FPE %d", code == FPE_INTDIV);
  return arg;
}

static void *illegal(void *arg) {
  const int code = sigsetjmp(out, 1);
  if (code == 0) __asm__ volatile("ud2");
  say("ILL %d", code == ILL_ILLOPN);
  return arg;
}

static void *beyond(void *arg) {
  const int fd = disk_file(0);
  volatile char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const int code = sigsetjmp(out, 1);
  if (code == 0) page[0] = 1;
  say("BUS %d at its address: %d", code == BUS_ADRERR, fault_at == page);
  return arg;
}

static volatile int traps;

static void trapped(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)info, (void)context;
  ++traps;
}

static void *trap(void *arg) {
  for (int i = 0; i < 3; ++i) __asm__ volatile("int3");
  say("TRAP %d", traps);
  return arg;
}

PLAY(other_faults) {
  handle(SIGFPE, recover, 0);
  handle(SIGILL, recover, 0);
  handle(SIGBUS, recover, 0);
  handle(SIGTRAP, trapped, 0);
  void *(*const all[])(void *) = {divide, illegal, beyond, trap};
  for (int i = 0; i < 4; ++i) finish(start(all[i], NULL));
}

/* The handler changes the registers: the faulting instruction is passed over. */
static void pass_over(int sig, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  (void)sig, (void)info;
  u->uc_mcontext.gregs[REG_RIP] += 2;
  u->uc_mcontext.gregs[REG_RAX] = 42;
}

static void *be_passed_over(void *arg) {
  long value = 7;
  __asm__ volatile("ud2" : "+a"(value));
  say("%ld", value);
  return arg;
}

PLAY(a_handler_that_changes_registers) {
  handle(SIGILL, pass_over, 0);
  finish(start(be_passed_over, NULL));
}

/* Pages that are made writable by the first who touches them, as garbage collectors do. */
static char *heap;
static atomic_int opened;

static void open_page(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)context;
  char *page = (char *)((uintptr_t)info->si_addr & ~4095ul);
  if (mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0) _exit(4);
  atomic_fetch_add(&opened, 1);
}

static void *write_pages(void *arg) {
  for (int i = 0; i < 64; ++i) heap[((i * 7 + (int)(long)arg * 16) % 64) * 4096 + (long)arg] = (char)i;
  return NULL;
}

PLAY(pages_opened_by_the_handler) {
  handle(SIGSEGV, open_page, 0);
  heap = mmap(NULL, 64 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_t all[4];
  for (int i = 0; i < 4; ++i) all[i] = start(write_pages, (void *)(long)i);
  for (int i = 0; i < 4; ++i) finish(all[i]);
  say("%s", atomic_load(&opened) >= 64 ? "all opened" : "some not");
}

/* -- alternate stacks */

static char common_stack[signal_stack_size];

static void look_at_stack(int sig) {
  stack_t s;
  (void)sig;
  DO(sigaltstack(NULL, &s));
  say("flags %d, size %zu", s.ss_flags, s.ss_size);
  stack_t other = {.ss_sp = common_stack, .ss_size = sizeof common_stack};
  DO(sigaltstack(&other, NULL));
}

static void *use_alternate_stack(void *arg) {
  stack_t s;
  DO(sigaltstack(NULL, &s));
  say("at first: flags %d", s.ss_flags);
  stack_t tiny = {.ss_sp = common_stack, .ss_size = 100};
  DO(sigaltstack(&tiny, NULL));
  tiny.ss_flags = 77;
  DO(sigaltstack(&tiny, NULL));
  DO(sigaltstack(bad(), NULL));
  set_signal_stack();
  DO(sigaltstack(NULL, &s));
  say("then: flags %d size %zu, its own: %d", s.ss_flags, s.ss_size, s.ss_sp == own_signal_stack);
  raise(SIGUSR1);
  DO(sigaltstack(NULL, &s));
  say("afterwards: flags %d", s.ss_flags);
  const stack_t none = {.ss_flags = SS_DISABLE};
  DO(sigaltstack(&none, NULL));
  DO(sigaltstack(NULL, &s));
  say("in the end: flags %d", s.ss_flags);
  return arg;
}

PLAY(alternate_stacks) {
  struct sigaction action = {.sa_handler = look_at_stack, .sa_flags = SA_ONSTACK};
  MUST(sigaction(SIGUSR1, &action, NULL));
  use_alternate_stack(NULL);
  finish(start(use_alternate_stack, NULL));
}

static int pair[2];

static void read_here(int sig) {
  char here, c;
  (void)sig;
  on_own_stack = &here >= own_signal_stack && &here < own_signal_stack + signal_stack_size;
  QUIETLY(read(pair[0], &c, 1));
}

static void *wait_on_own_stack(void *arg) {
  set_signal_stack();
  raise(SIGUSR1);
  (void)arg;
  return (void *)(long)on_own_stack;
}

/* Several handlers wait at once, each on its thread's alternate stack. */
PLAY(waiting_on_alternate_stacks) {
  unix_pair(SOCK_STREAM, pair);
  struct sigaction action = {.sa_handler = read_here, .sa_flags = SA_ONSTACK};
  MUST(sigaction(SIGUSR1, &action, NULL));
  pthread_t all[5];
  for (int i = 0; i < 5; ++i) all[i] = start(wait_on_own_stack, NULL);
  for (int i = 0; i < 5; ++i) let_block(all[i]);
  for (int i = 0; i < 5; ++i) tell(pair[1]);
  int on = 0;
  for (int i = 0; i < 5; ++i) on += (int)(long)finish(all[i]);
  say("%d", on);
}

/* -- the end of the process */

static void *fault(void *arg) {
  *(volatile char *)bad() = 1;
  return arg;
}

PLAY_ENDS(a_fault_without_handler, "signal 11") {
  no_core();
  finish(start(fault, NULL));
}

static void *overflow_plainly(void *arg) {
  recurse(0);
  return arg;
}

PLAY_ENDS(a_stack_overflow_without_handler, "signal 11") {
  no_core();
  finish(start(overflow_plainly, NULL));
}

static void *abort_here(void *arg) {
  abort();
  return arg;
}

PLAY_ENDS(abort_in_a_thread, "signal 6") {
  no_core();
  finish(start(abort_here, NULL));
}

static void say_abort(int sig, siginfo_t *info, void *context) {
  (void)info, (void)context;
  say("handler of %s", signal_name(sig));
}

PLAY_ENDS(abort_with_a_handler, "signal 6") {
  no_core();
  handle(SIGABRT, say_abort, 0);
  finish(start(abort_here, NULL));
}

static void *raise_this(void *arg) {
  raise((int)(long)arg);
  return arg;
}

PLAY_ENDS(raise_term_in_a_thread, "signal 15") { finish(start(raise_this, (void *)(long)SIGTERM)); }
PLAY_ENDS(raise_kill_in_a_thread, "signal 9") { finish(start(raise_this, (void *)(long)SIGKILL)); }
PLAY_ENDS(raise_usr1_in_a_thread, "signal 10") { finish(start(raise_this, (void *)(long)SIGUSR1)); }

static void *kill_process(void *arg) {
  kill(getpid(), (int)(long)arg);
  sleep(100);
  return arg;
}

PLAY_ENDS(kill_the_own_process, "signal 2") {
  pthread_t t = start(kill_process, (void *)(long)SIGINT);
  finish(t);
}

PLAY_ENDS(a_fault_with_the_signal_blocked, "signal 11") {
  no_core();
  sigset_t all;
  sigfillset(&all);
  OK(pthread_sigmask(SIG_SETMASK, &all, NULL));
  finish(start(fault, NULL));
}

PLAY_ENDS(a_fault_that_is_ignored, "signal 11") {
  no_core();
  signal(SIGSEGV, SIG_IGN);
  finish(start(fault, NULL));
}

static void say_and_fall_back(int sig, siginfo_t *info, void *context) {
  (void)info, (void)context;
  say("handler of %s", signal_name(sig));
  signal(sig, SIG_DFL);
}

PLAY_ENDS(a_handler_that_falls_back_to_the_default, "signal 11") {
  no_core();
  handle(SIGSEGV, say_and_fall_back, 0);
  finish(start(fault, NULL));
}

PLAY_ENDS(a_handler_that_works_once, "signal 11") {
  no_core();
  handle(SIGSEGV, say_abort, SA_RESETHAND);
  finish(start(fault, NULL));
}

/* What a parent is told of a child that dies of a thread's fault. */
static void *run_into_a_trap(void *arg) {
  no_core();
  __asm__ volatile("int3");
  say("went on");
  return arg;
}

PLAY_ENDS(a_trap_without_handler, "signal 5") { finish(start(run_into_a_trap, NULL)); }

static void *trap_while_blocked(void *arg) {
  sigset_t set;
  sigfillset(&set);
  OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  signal(SIGTRAP, SIG_IGN);
  return run_into_a_trap(arg);
}

PLAY_ENDS(a_trap_with_the_signal_blocked, "signal 5") { finish(start(trap_while_blocked, NULL)); }

PLAY(what_a_parent_is_told) {
  const struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  for (int i = 0; i < 3; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      finish(start(i == 0 ? fault : i == 1 ? abort_here : raise_this, (void *)(long)SIGALRM));
      _exit(1);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    say("%s", WIFSIGNALED(status) ? signal_name(WTERMSIG(status)) : "exited");
  }
  finish(start(raise_this, (void *)0L));
}
