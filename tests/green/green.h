/* What a scene of threads is made of. Scenes are plain pthread programs that know nothing of Weft: stage.c plays one natively, and the
 * same program plays it under `weft run`; green.py compares what was said and how the process ended.
 *
 * Unlike those of differential/scene.h, whose words they share, they are processes of their own: main is the main thread, threads are
 * made as the scene likes, and the process may end in any way. A line is written at once, by no cancellation point. The order of lines
 * is the scene's to settle: by joins and messages, never by time. */
#ifndef WEFT_TESTS_GREEN_H
#define WEFT_TESTS_GREEN_H

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>

#include "../differential/scene.h"

/* A file of scenes defines GROUP and then has PLAY(name) { ... } for each: main's body, after which the process ends with status 0.
 * PLAY_ENDS(name, "exit 7") or (name, "signal 11") says how else it must end, natively too. */
#define PLAY(name) PLAY_ENDS(name, "exit 0")
#define PLAY_ENDS(name, ending)                                                                              \
  static void play_##name(void);                                                                             \
  __attribute__((constructor)) static void add_##name(void) { add_play(GROUP, #name, play_##name, ending); } \
  static void play_##name(void)

#ifdef __cplusplus
extern "C" {
#endif

void add_play(const char *group, const char *name, void (*play)(void), const char *ending);

/* Makes a thread (the scene fails when it cannot), joins it. */
pthread_t start(void *(*fn)(void *), void *arg);
pthread_t start_with(const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
void *finish(pthread_t thread);
/* Makes a thread that only sleeps: what main does from now on, it does beside another. */
void have_company(void);
/* Returns when a thread made by start waits in the call that it went to, or is over. Not for threads that compute. */
void let_block(pthread_t thread);
/* The same of the main thread, called by another. */
void let_main_block(void);
/* The tid of a thread made by start. */
pid_t tid_of(pthread_t thread);

/* For pthread calls that must succeed. */
#define OK(call) must_be_0(#call, __LINE__, (call))
void must_be_0(const char *what, int line, int error);

/* Computes for about a millisecond of processor time, `n` times; what comes out depends on nothing else. */
unsigned compute(int n);

/* `ns` from now on the clock. */
struct timespec from_now(clockid_t clock, long ns);

const char *signal_name(int sig);

#ifdef __cplusplus
}
#endif

#endif
