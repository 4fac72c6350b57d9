// OpenMP's constructs, with more threads than cores; says results that do not depend on who was faster.
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

static long fib(int n) {
  if (n < 2) return n;
  long a, b;
#pragma omp task shared(a) if (n > 12)
  a = fib(n - 1);
#pragma omp task shared(b) if (n > 12)
  b = fib(n - 2);
#pragma omp taskwait
  return a + b;
}

int main(void) {
  enum { count = 400000 };
  double* v = malloc(sizeof *v * count);
  double sum = 0;
  int threads = 0, entered = 0, ordered_right = 1, last = -1;
#pragma omp parallel
#pragma omp single
  threads = omp_get_num_threads();
  printf("threads %d\n", threads);

#pragma omp parallel for schedule(static)
  for (int i = 0; i < count; ++i) v[i] = i % 1000;
#pragma omp parallel for schedule(dynamic, 64) reduction(+ : sum)
  for (int i = 0; i < count; ++i) sum += v[i];
  printf("sum %.0f\n", sum);

  for (int round = 0; round < 300; ++round) {
#pragma omp parallel
    {
#pragma omp critical
      ++entered;
#pragma omp barrier
#pragma omp atomic
      ++entered;
    }
  }
  printf("entered %d\n", entered);

#pragma omp parallel for ordered schedule(dynamic)
  for (int i = 0; i < 300; ++i) {
#pragma omp ordered
    {
      if (last != i - 1) ordered_right = 0;
      last = i;
    }
  }
  printf("ordered %d\n", ordered_right);

  long f = 0;
#pragma omp parallel
#pragma omp single
  f = fib(22);
  printf("fib %ld\n", f);

  int inner = 0;
  omp_set_max_active_levels(2);
#pragma omp parallel num_threads(3) reduction(+ : inner)
  {
#pragma omp parallel num_threads(2) reduction(+ : inner)
    inner += 1;
  }
  printf("nested %d\n", inner);

  omp_lock_t lock;
  omp_init_lock(&lock);
  int held = 0;
#pragma omp parallel
  for (int i = 0; i < 2000; ++i) {
    omp_set_lock(&lock);
    ++held;
    omp_unset_lock(&lock);
  }
  omp_destroy_lock(&lock);
  printf("held %d\n", held);
  free(v);
  return 0;
}
