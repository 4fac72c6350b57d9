// The conditions, semaphores, barriers and joins of pthreads and C++ as they are found in programs, in fibers of one thread, of several,
// and against native threads.
#include <doctest/doctest.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "everywhere.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;
using namespace everywhere_test;

TEST_CASE("a condition variable: a bounded queue between many") {
  active on;
  for_both_casts([](auto run) {
    std::mutex m;
    std::condition_variable not_empty, not_full;
    std::deque<int> queue;
    long sum = 0;
    std::vector<job> jobs;
    for (int i = 0; i < 6; ++i) {
      jobs.push_back([&] {
        for (int n = 1; n <= 200; ++n) {
          std::unique_lock guard(m);
          not_full.wait(guard, [&] { return queue.size() < 3; });
          queue.push_back(n);
          not_empty.notify_one();
        }
      });
      jobs.push_back([&] {
        for (int n = 1; n <= 200; ++n) {
          std::unique_lock guard(m);
          not_empty.wait(guard, [&] { return !queue.empty(); });
          sum += queue.front();
          queue.pop_front();
          not_full.notify_one();
        }
      });
    }
    run(std::move(jobs));
    CHECK(sum == 6 * 20100);
    CHECK(queue.empty());
  });
}

TEST_CASE("broadcast wakes all, and a cond wait's deadline passes on each clock") {
  active on;
  pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t c = PTHREAD_COND_INITIALIZER;
  bool open = false;
  int through = 0, late = 0;
  std::vector<job> jobs;
  for (int i = 0; i < 9; ++i)
    jobs.push_back([&] {
      pthread_mutex_lock(&m);
      while (!open) pthread_cond_wait(&c, &m);
      ++through;
      pthread_mutex_unlock(&m);
    });
  for (const clockid_t clock : {CLOCK_MONOTONIC, CLOCK_REALTIME})
    jobs.push_back([&, clock] {
      pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
      pthread_cond_t never = PTHREAD_COND_INITIALIZER;
      pthread_mutex_lock(&own);
      const timespec t = in_ms(clock, 5);
      late += pthread_cond_clockwait(&never, &own, clock, &t) == ETIMEDOUT;
      pthread_mutex_unlock(&own);
    });
  jobs.push_back([&] {
    ::usleep(2000);
    pthread_mutex_lock(&m);
    open = true;
    pthread_cond_broadcast(&c);
    pthread_mutex_unlock(&m);
  });
  everywhere(std::move(jobs));
  CHECK(through == 9);
  CHECK(late == 2);
}

TEST_CASE("semaphores: post and wait, timed waits, try") {
  active on;
  for_both_casts([](auto run) {
    sem_t ping, pong;
    sem_init(&ping, 0, 0);
    sem_init(&pong, 0, 0);
    std::atomic<long> rounds{0};
    std::vector<job> jobs;
    for (int i = 0; i < 4; ++i) {
      jobs.push_back([&] {
        for (int n = 0; n < 300; ++n) {
          sem_post(&ping);
          while (sem_wait(&pong) != 0) {
          }
        }
      });
      jobs.push_back([&] {
        for (int n = 0; n < 300; ++n) {
          while (sem_wait(&ping) != 0) {
          }
          ++rounds;
          sem_post(&pong);
        }
      });
    }
    run(std::move(jobs));
    CHECK(rounds == 1200);
    timespec t = in_ms(CLOCK_REALTIME, 5);
    in_fibers({[&] {
                 CHECK(sem_timedwait(&ping, &t) == -1);
                 CHECK(errno == ETIMEDOUT);
                 CHECK(sem_trywait(&ping) == -1);
                 CHECK(errno == EAGAIN);
               },
               [] { ::usleep(100); }});
  });
}

TEST_CASE("barriers, once, latches, std::barrier, futures, call_once") {
  active on;
  for_both_casts([](auto run) {
    constexpr int many = 9, rounds = 20;
    pthread_barrier_t b;
    pthread_barrier_init(&b, nullptr, many);
    std::barrier sync(many);
    std::latch all(many);
    std::once_flag once;
    static pthread_once_t c_once;
    static int c_made;
    c_once = PTHREAD_ONCE_INIT;
    c_made = 0;
    std::atomic<int> serial{0}, made{0}, arrived{0};
    std::atomic<bool> early{false};
    std::promise<int> promise;
    std::shared_future<int> answer = promise.get_future().share();
    std::atomic<long> got{0};
    std::vector<job> jobs;
    for (int i = 0; i < many; ++i)
      jobs.push_back([&, i] {
        for (int n = 0; n < rounds; ++n) {
          ++arrived;
          serial += pthread_barrier_wait(&b) == PTHREAD_BARRIER_SERIAL_THREAD;
          if (arrived < many * (n + 1)) early = true;
          sync.arrive_and_wait();
        }
        std::call_once(once, [&] {
          ::usleep(500);
          ++made;
        });
        pthread_once(&c_once, [] {
          ::usleep(500);
          ++c_made;
        });
        all.arrive_and_wait();
        if (i == 0) promise.set_value(42);
        got += answer.get();
      });
    run(std::move(jobs));
    CHECK(serial == rounds);
    CHECK(made == 1);
    CHECK(c_made == 1);
    CHECK_FALSE(early);
    CHECK(got == 42 * many);
    pthread_barrier_destroy(&b);
  });
}

TEST_CASE("lost wake-ups show under the shuffling scheduler") {
  active on;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    weft::testing::shuffle(seed);
    std::mutex m;
    std::condition_variable changed;
    sem_t tokens;
    sem_init(&tokens, 0, 2);
    int stage = 0;
    std::vector<job> jobs;
    for (int i = 0; i < 8; ++i)
      jobs.push_back([&, i] {
        for (int n = 0; n < 5; ++n) {
          sem_wait(&tokens);
          ::sched_yield();
          sem_post(&tokens);
          std::unique_lock guard(m);
          if ((i + n) % 2 == 0) ++stage;
          changed.notify_all();
          const int seen = stage;
          changed.wait_for(guard, std::chrono::microseconds(50 * (i % 3)), [&] { return stage > seen; });
        }
      });
    in_fibers(std::move(jobs));
    CHECK(stage == 20);
  }
  weft::testing::shuffle(0);
}

TEST_CASE("pthread_join of native threads, by many fibers at once") {
  active on;
  std::atomic<int> joined{0}, ticks{0};
  std::atomic<bool> go{false};
  std::vector<job> jobs;
  for (int i = 0; i < 20; ++i)
    jobs.push_back([&] {
      std::thread t([&] {
        while (!go) std::this_thread::sleep_for(200us);
      });
      t.join();
      ++joined;
    });
  jobs.push_back([&] {
    for (; ticks < 5; ++ticks) ::usleep(1000);
    go = true;
  });
  in_fibers(std::move(jobs));
  CHECK(joined == 20);
  CHECK(ticks == 5);
}

TEST_CASE("semaphores and robust mutexes shared with another process") {
  active on;
  struct shared {
    sem_t there, back;
    pthread_mutex_t m;
    int rounds;
    std::atomic<bool> leave;
  };
  auto* s = static_cast<shared*>(::mmap(nullptr, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  sem_init(&s->there, 1, 0);
  sem_init(&s->back, 1, 0);
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&s->m, &a);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(50);
    for (int i = 0; i < 50; ++i) {
      while (sem_wait(&s->there) != 0) {
      }
      ++s->rounds;
      sem_post(&s->back);
    }
    pthread_mutex_lock(&s->m);
    sem_post(&s->back);
    while (!s->leave) ::usleep(1000);
    ::_exit(0);  // with the mutex locked
  }
  int ticks = 0, died = -1;
  bool waits = false, done = false;
  in_fibers({[&] {
               for (int i = 0; i < 50; ++i) {
                 sem_post(&s->there);
                 while (sem_wait(&s->back) != 0) {
                 }
               }
               while (sem_wait(&s->back) != 0) {
               }
               waits = true;
               died = pthread_mutex_lock(&s->m);
               pthread_mutex_consistent(&s->m);
               pthread_mutex_unlock(&s->m);
               done = true;
             },
             [&] {
               // The other's wait for the lock holds nobody up: the owner leaves when this one has run on for a while.
               while (!done) {
                 ::usleep(1000);
                 if (waits && ++ticks == 10) s->leave = true;
               }
             }});
  CHECK(s->rounds == 50);
  CHECK(died == EOWNERDEAD);
  CHECK(ticks >= 10);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  ::munmap(s, sizeof(shared));
}

TEST_CASE("a signal ends a semaphore's wait: EINTR, or made again under SA_RESTART, but never one with a time limit") {
  active on;
  static int handled;
  handled = 0;
  struct sigaction action {}, before {};
  action.sa_handler = [](int) { ++handled; };
  sem_t s;
  sem_init(&s, 0, 0);
  for (const bool restart : {false, true})
    for (const bool timed : {false, true}) {
      CAPTURE(restart);
      CAPTURE(timed);
      action.sa_flags = restart ? SA_RESTART : 0;
      ::sigaction(SIGUSR1, &action, handled == 0 ? &before : nullptr);
      const timespec t = in_ms(CLOCK_REALTIME, 50'000);
      auto waiting = weft::spawn([&] {
        const int got = timed ? sem_timedwait(&s, &t) : sem_wait(&s);
        return got == 0 ? 0 : errno;
      });
      weft::testing::wait_all_blocked();
      const int so_far = handled;
      ::kill(::getpid(), SIGUSR1);
      weft::testing::wait_all_blocked();
      CHECK(handled == so_far + 1);
      if (restart && !timed) {
        CHECK_FALSE(waiting.done());
        sem_post(&s);
        CHECK(waiting.get() == 0);
      } else {
        CHECK(waiting.get() == EINTR);
      }
    }
  ::sigaction(SIGUSR1, &before, nullptr);
}
