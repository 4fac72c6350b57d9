// A turn handed from one to the other and back through a futex, a pair of semaphores, a condition variable: by two fibers of one
// thread (`hand_over fibers`, the calls go through the rewritten sites) or two threads (`hand_over threads`), pinned by the caller.
// Prints CPU nanoseconds a hand-over as JSON.
#include <weft/weft.hpp>

#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>

namespace {

double cpu_ns() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

bool fibers = false;

void both(const std::function<void(int)>& side) {
  if (fibers) {
    weft::fiber<> a = weft::spawn([&] { side(0); }), b = weft::spawn([&] { side(1); });
    a.join();
    b.join();
  } else {
    std::thread a([&] { side(0); }), b([&] { side(1); });
    a.join();
    b.join();
  }
}

double by_futex(int rounds) {
  static std::atomic<int> turn;
  turn = 0;
  const double began = cpu_ns();
  both([rounds](int me) {
    for (int n = 0; n < rounds; ++n) {
      while (turn.load(std::memory_order_acquire) != me) syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, 1 - me, nullptr);
      turn.store(1 - me, std::memory_order_release);
      syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1);
    }
  });
  return (cpu_ns() - began) / (2.0 * rounds);
}

double by_semaphore(int rounds) {
  static sem_t turns[2];
  sem_init(&turns[0], 0, 1);
  sem_init(&turns[1], 0, 0);
  const double began = cpu_ns();
  both([rounds](int me) {
    for (int n = 0; n < rounds; ++n) {
      while (sem_wait(&turns[me]) != 0) {
      }
      sem_post(&turns[1 - me]);
    }
  });
  return (cpu_ns() - began) / (2.0 * rounds);
}

double by_condition(int rounds) {
  static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t changed[2] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
  static int turn;
  turn = 0;
  const double began = cpu_ns();
  both([rounds](int me) {
    for (int n = 0; n < rounds; ++n) {
      pthread_mutex_lock(&m);
      while (turn != me) pthread_cond_wait(&changed[me], &m);
      turn = 1 - me;
      pthread_cond_signal(&changed[1 - me]);
      pthread_mutex_unlock(&m);
    }
  });
  return (cpu_ns() - began) / (2.0 * rounds);
}

}  // namespace

int main(int argc, char** argv) {
  fibers = argc > 1 && std::strcmp(argv[1], "fibers") == 0;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 100'000;
  std::uint64_t before = 0;
  if (fibers) {
    if (weft::patch_all().sites_patched == 0) {
      std::fprintf(stderr, "hand_over: no site is Weft's\n");
      return 1;
    }
    before = weft::this_hub().stats().parks;
  }
  const double futex = by_futex(rounds), semaphore = by_semaphore(rounds), condition = by_condition(rounds);
  const std::uint64_t parks = fibers ? weft::this_hub().stats().parks - before : 0;
  if (fibers && parks < 3u * static_cast<unsigned>(rounds)) {
    std::fprintf(stderr, "hand_over: the fibers did not park\n");
    return 1;
  }
  std::printf("{\"futex\": %.1f, \"semaphore\": %.1f, \"condition\": %.1f}\n", futex, semaphore, condition);
}
