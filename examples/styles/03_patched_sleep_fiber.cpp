// Code that knows nothing of fibers and sleeps with libc's usleep. After patch_all() that parks only the fiber that calls it.
//
// Prints:
//   task_1: 0
//   task_2: 0
//   task_1: 1
//   task_2: 1
//   task_1: 2
//   task_2: 2
#include "stage.hpp"

#include <unistd.h>

#include <vector>

static void work(const char* name) {
  for (int i = 0; i < 3; ++i) {
    std::printf("%s: %d\n", name, i);
    ::usleep(20'000);
  }
}

int main() {
  weft::patch_all();
  stage s;
  std::vector<weft::fiber<>> both{weft::spawn(work, "task_1"), weft::spawn(work, "task_2")};
  weft::joinall(both);
}
