/* The soak's jobs (jobs.c, jobs_leaving.c) and who runs them (main.c). A pthread program that knows nothing of Weft. */
#ifndef WEFT_TESTS_SOAK_H
#define WEFT_TESTS_SOAK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct worker {
  pthread_t thread;
  uint64_t random;             /* state of its own generator: a seed repeats what each worker does, not how they interleave */
  atomic_ulong steps;          /* jobs done: who counts no further hangs */
  const char* _Atomic doing;   /* for the report of a hang */
};

struct job {
  const char* name;
  void (*run)(struct worker*);
};

/* Over the whole run. */
extern atomic_ulong threads_made, forks_made, signals_sent, signals_handled, threads_cancelled, bytes_echoed;

/* 0 .. below - 1 */
unsigned pick(struct worker* w, unsigned below);
/* Ends the process with a sentence. */
_Noreturn void fail(const char* sentence, long value);
void must(int error, const char* what);
void start(pthread_t* thread, void* (*run)(void*), void* argument);
void* join(pthread_t thread);
/* Another worker that is alive, to be sent a signal; the round's workers stay until all are told to stop. */
pthread_t somebody(struct worker* w);

extern const struct job jobs[], jobs_leaving[];
extern const unsigned job_count, job_leaving_count;

#endif
