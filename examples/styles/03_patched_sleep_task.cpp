// Code that knows nothing of coroutines and sleeps with libc's usleep. A coroutine has no stack to be parked on, so patch_all() helps here
// as far as each call runs in a fiber: co_await in_fiber(...).
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

static weft::task<> work(const char* name) {
  for (int i = 0; i < 3; ++i) {
    std::printf("%s: %d\n", name, i);
    co_await weft::in_fiber([] { ::usleep(20'000); });
  }
}

int main() {
  weft::patch_all();
  stage s;
  std::vector<weft::fiber<>> both{weft::spawn(work("task_1")), weft::spawn(work("task_2"))};
  weft::joinall(both);
}
