/* OpenMP programs with more threads than processors: libgomp spins before it sleeps, with system call instructions of its own. */
#include <omp.h>

#include "../green.h"

#define GROUP "openmp"

enum { threads = 8 };

PLAY(parallel_sums) {
  long sum = 0;
  omp_set_num_threads(threads);
#pragma omp parallel for reduction(+ : sum)
  for (int i = 0; i < 200000; ++i) sum += i * 3L % 7;
  say("%ld", sum);
  int seen[threads] = {0};
#pragma omp parallel
  seen[omp_get_thread_num()] = omp_get_num_threads();
  for (int i = 0; i < threads; ++i) say("%d", seen[i]);
}

PLAY(many_small_regions) {
  long sum = 0;
  omp_set_num_threads(threads);
  for (int round = 0; round < 200; ++round) {
#pragma omp parallel for reduction(+ : sum)
    for (int i = 0; i < 64; ++i) sum += i;
  }
  say("%ld", sum);
}

PLAY(barriers_and_criticals) {
  int counts[20] = {0}, wrong = 0;
  long total = 0;
  omp_set_num_threads(threads);
#pragma omp parallel
  for (int phase = 0; phase < 20; ++phase) {
#pragma omp atomic
    ++counts[phase];
#pragma omp barrier
#pragma omp critical
    {
      ++total;
      wrong += counts[phase] != threads;
    }
#pragma omp barrier
  }
  say("%ld, wrong %d", total, wrong);
}

static long fibonacci(int n) {
  long a, b;
  if (n < 2) return n;
  if (n < 10) return fibonacci(n - 1) + fibonacci(n - 2);
#pragma omp task shared(a)
  a = fibonacci(n - 1);
#pragma omp task shared(b)
  b = fibonacci(n - 2);
#pragma omp taskwait
  return a + b;
}

PLAY(tasks) {
  long result = 0;
  omp_set_num_threads(threads);
#pragma omp parallel
#pragma omp single
  result = fibonacci(20);
  say("%ld", result);
}

PLAY(schedules_and_locks) {
  omp_lock_t lock;
  long sum = 0;
  omp_init_lock(&lock);
  omp_set_num_threads(threads);
#pragma omp parallel for schedule(dynamic, 3)
  for (int i = 0; i < 300; ++i) {
    omp_set_lock(&lock);
    sum += i;
    omp_unset_lock(&lock);
  }
#pragma omp parallel for schedule(guided)
  for (int i = 0; i < 300; ++i) {
#pragma omp atomic
    sum += i;
  }
  omp_destroy_lock(&lock);
  say("%ld", sum);
}

PLAY(nested_regions) {
  int sum = 0;
  omp_set_max_active_levels(2);
#pragma omp parallel num_threads(3)
#pragma omp parallel num_threads(3)
#pragma omp atomic
  ++sum;
  say("%d", sum);
}

PLAY(ordered_and_sections) {
  int order[20], n = 0, sections[3] = {0};
  omp_set_num_threads(threads);
#pragma omp parallel for ordered
  for (int i = 0; i < 20; ++i) {
#pragma omp ordered
    order[n++] = i;
  }
  for (int i = 0; i < 20; ++i)
    if (order[i] != i) say("out of order");
#pragma omp parallel sections
  {
#pragma omp section
    sections[0] = 1;
#pragma omp section
    sections[1] = 2;
#pragma omp section
    sections[2] = 3;
  }
  say("%d", sections[0] + sections[1] + sections[2]);
}
