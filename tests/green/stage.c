/* Plays one scene: `stage NAME` in this very process, `stage --list` prints group, name and expected ending of each. The words go to
 * standard output as they are said. Under Weft the first green thread is noted on standard error, so that also a process that dies of its
 * scene shows that its threads were green. */
#include <stdarg.h>

#include "green.h"

enum { most_plays = 500, most_threads = 4096, first_green_tid = 1 << 24 };

static struct play {
  const char *group, *name, *ending;
  void (*play)(void);
} plays[most_plays];
static int play_count;

void add_play(const char *group, const char *name, void (*play)(void), const char *ending) {
  if (play_count == most_plays) abort();
  plays[play_count++] = (struct play){group, name, ending, play};
}

/* -- threads */

struct thread {
  void *(*fn)(void *);
  void *arg;
  pthread_t thread;
  volatile pid_t tid;
};

static struct thread threads[most_threads];
static int thread_count;
static int green; /* the scene is played under Weft */

static void *run_thread(void *arg) {
  struct thread *t = arg;
  const pid_t tid = (pid_t)syscall(SYS_gettid);
  /* Before others know it: they take its next wait for the scene's. */
  static int told;
  if (green && tid >= first_green_tid && __atomic_fetch_add(&told, 1, __ATOMIC_RELAXED) == 0)
    QUIETLY(syscall(SYS_write, 2, "stage: a green thread\n", 22) < 0);
  t->tid = tid;
  return t->fn(t->arg);
}

pthread_t start_with(const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
  const int index = __atomic_fetch_add(&thread_count, 1, __ATOMIC_RELAXED);
  if (index >= most_threads) abort();
  struct thread *t = &threads[index];
  t->fn = fn;
  t->arg = arg;
  OK(pthread_create(&t->thread, attr, run_thread, t));
  return t->thread;
}

pthread_t start(void *(*fn)(void *), void *arg) { return start_with(NULL, fn, arg); }

void *finish(pthread_t thread) {
  void *result;
  OK(pthread_join(thread, &result));
  return result;
}

static void *sleep_for_ever(void *arg) {
  for (;;) sleep(1000);
  return arg;
}

void have_company(void) { let_block(start(sleep_for_ever, NULL)); }

static struct thread *known(pthread_t thread) {
  for (int i = thread_count; i-- > 0;)
    if (pthread_equal(threads[i].thread, thread)) return &threads[i];
  abort();
}

pid_t tid_of(pthread_t thread) {
  struct thread *t = known(thread);
  while (t->tid == 0) usleep(200);
  return t->tid;
}

/* Natively the kernel tells; looked at three times alike, for a thread may sleep for a moment on its way. One that is over has no state. */
static void await_sleep(pid_t tid) {
  for (int alike = 0; alike < 3;) {
    usleep(300);
    const char state = state_of(tid);
    if (state == 0) return;
    alike = state == 'S' ? alike + 1 : 0;
  }
}

/* A green thread has come to its wait when the others, which had nothing else to do, have slept twice. */
static void let_others_run(void) {
  for (int i = 0; i < 3; ++i) usleep(1000);
}

void let_block(pthread_t thread) {
  const pid_t tid = tid_of(thread);
  if (green) let_others_run();
  else await_sleep(tid);
}

void let_main_block(void) {
  if (green) let_others_run();
  else await_sleep(getpid());
}

void must_be_0(const char *what, int line, int error) {
  if (error == 0) return;
  fprintf(stderr, "stage: line %d: %s = %s\n", line, what, error_name(error));
  _exit(3);
}

unsigned compute(int n) {
  volatile unsigned x = 1;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < 400000; ++j) x = x * 1664525u + 1013904223u;
  return x;
}

struct timespec from_now(clockid_t clock, long ns) {
  struct timespec t;
  clock_gettime(clock, &t);
  t.tv_sec += ns / (1000 * MS);
  t.tv_nsec += ns % (1000 * MS);
  if (t.tv_nsec >= 1000 * MS) t = (struct timespec){t.tv_sec + 1, t.tv_nsec - 1000 * MS};
  return t;
}

const char *signal_name(int sig) {
  const char *name = sigabbrev_np(sig);
  return name != NULL ? name : "unknown";
}

/* -- words */

void say(const char *format, ...) {
  char line[1000];
  va_list args;
  va_start(args, format);
  const int error = errno;
  int n = vsnprintf(line, sizeof line - 1, format, args);
  va_end(args);
  if (n > (int)sizeof line - 2) n = (int)sizeof line - 2;
  if (n == 0 || line[n - 1] != '\n') line[n++] = '\n';
  QUIETLY(syscall(SYS_write, 1, line, (size_t)n) < 0);
  errno = error;
}

void remove_fresh_names(void);

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    for (int i = 0; i < play_count; ++i) printf("%s %s %s\n", plays[i].group, plays[i].name, plays[i].ending);
    return 0;
  }
  for (int i = 0; i < play_count && argc == 2; ++i) {
    if (strcmp(argv[1], plays[i].name) != 0) continue;
    const char *mode = getenv("WEFT_MODE");
    green = mode != NULL && strcmp(mode, "green") == 0;
    plays[i].play();
    remove_fresh_names();
    say("-- end");
    return 0;
  }
  fprintf(stderr, "usage: stage --list | NAME\n");
  return 2;
}
