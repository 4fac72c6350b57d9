// CPU time of threads. What is checked is who used it and that it only grows, never how fast the machine is.
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "green.hpp"

namespace {

double of(clockid_t clock) {
  timespec t{};
  REQUIRE(clock_gettime(clock, &t) == 0);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double own() { return of(CLOCK_THREAD_CPUTIME_ID); }

// Computes until the thread has used so much.
void use(double seconds) {
  const double end = own() + seconds;
  while (own() < end) {}
}

double usage() {
  rusage r{};
  REQUIRE(getrusage(RUSAGE_THREAD, &r) == 0);
  return static_cast<double>(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + static_cast<double>(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

}  // namespace

TEST_CASE("a thread that sleeps uses next to nothing while another computes") {
  std::atomic<bool> over{false};
  double slept = 1, used = 0;
  std::thread sleeper([&] {
    const double before = own();
    while (!over) usleep(20'000);
    slept = own() - before;
  });
  std::thread worker([&] {
    use(0.1);
    used = own();
    over = true;
  });
  worker.join();
  sleeper.join();
  CHECK(used >= 0.1);
  CHECK(slept < 0.05);
}

TEST_CASE("two threads that compute share the process's time, and neither clock goes back") {
  const double process = of(CLOCK_PROCESS_CPUTIME_ID), here = own();
  double each[2] = {};
  bool back = false;
  std::thread all[2];
  for (int i = 0; i < 2; ++i)
    all[i] = std::thread([&, i] {
      double last = own(), end = last + 0.05;
      while (last < end) {
        const double now = own();
        back = back || now < last;
        last = now;
        if (i == 1) sched_yield();
      }
      each[i] = last;
    });
  for (auto& t : all) t.join();
  CHECK(!back);
  CHECK(each[0] >= 0.05);
  CHECK(each[1] >= 0.05);
  const double sum = each[0] + each[1] + (own() - here), total = of(CLOCK_PROCESS_CPUTIME_ID) - process;
  CHECK(sum <= total * 1.05 + 0.002);
}

TEST_CASE("another thread's clock is asked for by its id, until it is over") {
  std::atomic<int> stage{0};
  clockid_t clock = 0;
  std::thread worker([&] {
    use(0.03);
    stage = 1;
    while (stage != 2) usleep(500);
  });
  while (stage != 1) usleep(500);
  REQUIRE(pthread_getcpuclockid(worker.native_handle(), &clock) == 0);
  CHECK(of(clock) >= 0.03);
  timespec resolution{};
  CHECK(clock_getres(clock, &resolution) == 0);
  CHECK(resolution.tv_sec == 0);
  in_thread([&] { CHECK(of(clock) >= 0.03); });
  stage = 2;
  worker.join();
  timespec t;
  while (clock_gettime(clock, &t) == 0) usleep(500);  // the kernel forgets a thread a moment after it lets the join go on
  CHECK(clock_gettime(clock, &t) == -1);
  CHECK(errno == EINVAL);
  CHECK(clock_getres(clock, &resolution) == -1);
}

TEST_CASE("getrusage tells of the calling thread only") {
  in_thread([] {
    use(0.04);
    CHECK(usage() >= 0.03);
  });
  in_thread([] { CHECK(usage() < 0.03); });
}

TEST_CASE("a bad pointer is refused") {
  in_thread([] {
    CHECK(syscall(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, 16) == -1);
    CHECK(errno == EFAULT);
    CHECK(syscall(SYS_getrusage, RUSAGE_THREAD, 16) == -1);
    CHECK(errno == EFAULT);
  });
}

TEST_CASE("a thread waits for the time that another, or the process, has used") {
  std::atomic<bool> over{false};
  std::thread worker([&] {
    while (!over) {}
  });
  clockid_t clock = 0;
  REQUIRE(pthread_getcpuclockid(worker.native_handle(), &clock) == 0);
  in_thread([&] {
    const double before = of(clock);
    const timespec some{0, 20'000'000};
    CHECK(clock_nanosleep(clock, 0, &some, nullptr) == 0);
    CHECK(of(clock) - before >= 0.02);
    const double process = of(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &some, nullptr) == 0);
    CHECK(of(CLOCK_PROCESS_CPUTIME_ID) - process >= 0.02);
    CHECK(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &some, nullptr) == EINVAL);
  });
  over = true;
  worker.join();
}

TEST_CASE("a forked child's clocks begin anew") {
  in_thread([] {
    use(0.1);
    const pid_t child = fork();
    if (child == 0) _exit(own() < 0.09 ? 0 : 1);
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  });
}
