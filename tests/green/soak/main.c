/* Mixed load on threads for a while: soak SECONDS SEED [WORKERS [JOB LEFT OUT...]]
 *
 * Rounds: workers that do jobs at random until the round is over, all joined, then a look at what is left: descriptors, mappings,
 * resident memory, children, the id of a new thread. The first rounds warm caches up; later ones must not grow. A worker that gets
 * nothing done for long, and everything a job finds wrong, ends the process with a sentence and status 1. Prints one line of JSON.
 */
#include "soak.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { most_workers = 64, round_seconds = 3, hang_seconds = 40, warm_rounds = 2 };

atomic_ulong threads_made, forks_made, signals_sent, signals_handled, threads_cancelled, bytes_echoed;

static struct worker workers[most_workers];
static unsigned worker_count = 24;
static atomic_int stop;
static char** left_out; /* names of jobs, to find which one a failure comes from */
static pthread_barrier_t all_here;

struct remains {
  long descriptors, mappings, resident_kb, tid;
};

_Noreturn void fail(const char* sentence, long value) {
  fprintf(stderr, "soak: %s (%ld)\n", sentence, value);
  _exit(1);
}

void must(int error, const char* what) {
  if (error != 0) fail(what, error);
}

unsigned pick(struct worker* w, unsigned below) {
  w->random = w->random * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)((w->random >> 33) % below);
}

void start(pthread_t* thread, void* (*run)(void*), void* argument) {
  must(pthread_create(thread, NULL, run, argument), "pthread_create");
  ++threads_made;
}

void* join(pthread_t thread) {
  void* value;
  must(pthread_join(thread, &value), "pthread_join");
  return value;
}

pthread_t somebody(struct worker* w) { return workers[pick(w, worker_count)].thread; }

static void on_signal(int number) {
  (void)number;
  ++signals_handled;
}

static int is_left_out(const char* name) {
  for (char** out = left_out; out != NULL && *out != NULL; ++out)
    if (strcmp(*out, name) == 0) return 1;
  return 0;
}

static void* work(void* argument) {
  struct worker* w = argument;
  pthread_barrier_wait(&all_here); /* nobody is sent a signal before everybody has its pthread_t */
  while (!stop) {
    const unsigned n = pick(w, job_count + job_leaving_count);
    const struct job* job = n < job_count ? &jobs[n] : &jobs_leaving[n - job_count];
    if (is_left_out(job->name)) continue;
    w->doing = job->name;
    job->run(w);
    ++w->steps;
  }
  pthread_barrier_wait(&all_here); /* nor after somebody has ended */
  return NULL;
}

static void sleep_ms(long ms) {
  struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  while (nanosleep(&t, &t) != 0 && errno == EINTR) {
  }
}

/* Until `seconds` have passed, and then until all have stopped; fails when a worker does nothing any more. */
static void watch(unsigned seconds) {
  unsigned long seen[most_workers] = {0};
  unsigned still[most_workers] = {0};
  for (unsigned ticks = 0;; ++ticks) {
    if (ticks == seconds * 4) return;
    sleep_ms(250);
    for (unsigned i = 0; i < worker_count; ++i) {
      const unsigned long steps = workers[i].steps;
      still[i] = steps == seen[i] ? still[i] + 1 : 0;
      seen[i] = steps;
      if (still[i] < hang_seconds * 4) continue;
      fprintf(stderr, "soak: a worker hangs in: %s\n", workers[i].doing);
      _exit(3);
    }
  }
}

static void* own_tid(void* unused) {
  (void)unused;
  return (void*)syscall(SYS_gettid);
}

static long tid_of_another(void) {
  pthread_t thread;
  start(&thread, own_tid, NULL);
  return (long)join(thread);
}

static long count_descriptors(void) {
  long n = 0;
  DIR* d = opendir("/proc/self/fd");
  if (d == NULL) fail("/proc/self/fd", errno);
  while (readdir(d) != NULL) ++n;
  closedir(d);
  return n;
}

static long count_lines(const char* path, const char* prefix, long* number) {
  char line[4096];
  long n = 0;
  FILE* f = fopen(path, "re");
  if (f == NULL) fail(path, errno);
  while (fgets(line, sizeof line, f) != NULL) {
    ++n;
    if (prefix != NULL && strncmp(line, prefix, strlen(prefix)) == 0) *number = atol(line + strlen(prefix));
  }
  fclose(f);
  return n;
}

static struct remains look(void) {
  struct remains r = {0};
  r.tid = tid_of_another();
  sleep_ms(50); /* detached threads on their way out */
  r.descriptors = count_descriptors();
  r.mappings = count_lines("/proc/self/maps", NULL, NULL);
  count_lines("/proc/self/status", "VmRSS:", &r.resident_kb);
  if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) fail("a child is left", 0);
  return r;
}

static void one_round(uint64_t seed, unsigned seconds) {
  stop = 0;
  pthread_barrier_init(&all_here, NULL, worker_count);
  for (unsigned i = 0; i < worker_count; ++i) {
    workers[i].random = seed * 1000003u + i;
    workers[i].steps = 0;
    workers[i].doing = "nothing yet";
    start(&workers[i].thread, work, &workers[i]);
  }
  watch(seconds);
  stop = 1;
  for (unsigned i = 0; i < worker_count; ++i) join(workers[i].thread);
  pthread_barrier_destroy(&all_here);
}

int main(int argc, char** argv) {
  const unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 10;
  const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  if (argc > 3) worker_count = (unsigned)atoi(argv[3]);
  if (argc > 4) left_out = argv + 4;
  if (worker_count < 2 || worker_count > most_workers) fail("workers: 2 to 64", worker_count);
  setvbuf(stdout, NULL, _IOLBF, 0);
  mallopt(M_ARENA_MAX, 4); /* up to eight a processor come into being over the rounds otherwise: what grows would be the machine's affair */
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGRTMIN + 3, &action, NULL);
  const long first_tid = tid_of_another();

  unsigned rounds = 0;
  unsigned long steps = 0;
  struct remains warm = {0}, last = {0};
  /* At least one round after the warm ones. */
  for (unsigned spent = 0; spent < seconds || rounds <= warm_rounds; spent += round_seconds, ++rounds) {
    one_round(seed + rounds, seconds < round_seconds ? 1 : round_seconds);
    for (unsigned i = 0; i < worker_count; ++i) steps += workers[i].steps;
    last = look();
    if (rounds == warm_rounds - 1) warm = last;
  }
  if (signals_handled != signals_sent) fail("signals were lost or doubled", (long)signals_sent - (long)signals_handled);
  printf("{\"rounds\": %u, \"jobs\": %lu, \"threads\": %lu, \"cancelled\": %lu, \"signals\": %lu, \"forks\": %lu, ", rounds, steps,
         (unsigned long)threads_made, (unsigned long)threads_cancelled, (unsigned long)signals_sent, (unsigned long)forks_made);
  printf("\"first_tid\": %ld, \"tid\": %ld, ", first_tid, last.tid);
  printf("\"bytes\": %lu, \"descriptors\": %ld, \"mappings\": %ld, \"resident_kb\": %ld, \"resident_grown_kb\": %ld}\n",
         (unsigned long)bytes_echoed, last.descriptors - warm.descriptors, last.mappings - warm.mappings, last.resident_kb,
         last.resident_kb - warm.resident_kb);
  return 0;
}
