/* An OpenMP program that does little between many barriers: where threads outnumber cores, what waits at a barrier must not keep those
 * from running that are still on their way.
 *
 * Usage: team THREADS REGIONS. Prints wall seconds as JSON, and fails where the sum is wrong.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { work = 2000 };

int main(int argc, char** argv) {
  const int threads = argc > 1 ? atoi(argv[1]) : 4, regions = argc > 2 ? atoi(argv[2]) : 1000;
  static double cells[work];
  omp_set_dynamic(0);
  omp_set_num_threads(threads);
  const double began = omp_get_wtime();
  int team = 0;
  for (int r = 0; r < regions; ++r) {
#pragma omp parallel for
    for (int i = 0; i < work; ++i) cells[i] += 0.5 * (i % 4);
#pragma omp parallel reduction(+ : team)
    team += 1;
  }
  const double seconds = omp_get_wtime() - began;
  double sum = 0;
  for (int i = 0; i < work; ++i) sum += cells[i];
  if (sum != 0.75 * work * regions || team != threads * regions) {
    fprintf(stderr, "team: wrong sum %f, or team %d\n", sum, team);
    return 1;
  }
  printf("{\"seconds\": %.4f}\n", seconds);
  return 0;
}
