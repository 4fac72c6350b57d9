// The locks of pthreads, C11 and C++ as they are found in programs, in fibers of one thread, of several, and against native threads.
#include <doctest/doctest.h>
#include <pthread.h>
#include <threads.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "everywhere.hpp"

using namespace std::chrono_literals;
using namespace everywhere_test;

namespace {

// What is counted by those who hold a mutex in turn.
struct turns {
  long inside = 0, most = 0, total = 0;

  // One of them: twenty times.
  job at(pthread_mutex_t& m) {
    return [this, &m] {
      for (int n = 0; n < 20; ++n) {
        pthread_mutex_lock(&m);
        most = std::max(most, ++inside);
        ::usleep(50);
        --inside;
        ++total;
        pthread_mutex_unlock(&m);
      }
    };
  }
};

}  // namespace

TEST_CASE("a pthread mutex that a sleeping fiber holds") {
  active on;
  for_both_casts([](auto run) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    turns taken;
    std::vector<job> jobs;
    for (int i = 0; i < 12; ++i) jobs.push_back(taken.at(m));
    run(std::move(jobs));
    CHECK(taken.most == 1);
    CHECK(taken.total == 240);
  });
}

TEST_CASE("timed locks end at their time while a sibling holds the lock") {
  active on;
  pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  std::timed_mutex timed;
  std::vector<int> seen;
  in_fibers({[&] {
               pthread_mutex_lock(&m);
               timed.lock();
               while (seen.size() < 3) ::usleep(1000);
               timed.unlock();
               pthread_mutex_unlock(&m);
             },
             [&] {
               ::usleep(1000);
               const timespec t = in_ms(CLOCK_REALTIME, 3), u = in_ms(CLOCK_MONOTONIC, 3);
               seen.push_back(pthread_mutex_timedlock(&m, &t));
               seen.push_back(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &u));
               seen.push_back(timed.try_lock_for(2ms));
               seen.push_back(pthread_mutex_lock(&m));
               pthread_mutex_unlock(&m);
             }});
  CHECK(seen == std::vector<int>{ETIMEDOUT, ETIMEDOUT, 0, 0});
}

TEST_CASE("readers in fibers share a lock, and wait for writers in other threads") {
  // glibc takes a sibling's write lock for the caller's own (EDEADLK): writers are threads, or alone in theirs.
  active on;
  pthread_rwlock_t m = PTHREAD_RWLOCK_INITIALIZER;
  std::atomic<int> readers{0}, writers{0}, most_readers{0}, wrong{0};
  std::vector<job> jobs;
  for (int i = 0; i < 12; ++i)
    jobs.push_back([&, i] {
      for (int n = 0; n < 15; ++n) {
        if (i % 3 == 2) {  // see everywhere(): a native thread
          wrong += pthread_rwlock_wrlock(&m) != 0;
          wrong += ++writers != 1 || readers != 0;
          ::usleep(100);
          --writers;
        } else {
          wrong += pthread_rwlock_rdlock(&m) != 0;
          const int now = ++readers;
          if (now > most_readers) most_readers = now;
          wrong += writers != 0;
          ::usleep(100);
          --readers;
        }
        pthread_rwlock_unlock(&m);
      }
    });
  everywhere(std::move(jobs));
  CHECK(wrong == 0);
  CHECK(most_readers > 1);
}

TEST_CASE("C11 mutexes and conditions, atomics that wait, spin locks with a yield") {
  active on;
  for_both_casts([](auto run) {
    mtx_t m;
    cnd_t c;
    mtx_init(&m, mtx_timed);
    cnd_init(&c);
    int turn = 0;
    std::atomic<int> ticket{0};
    pthread_spinlock_t spin;
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    long under_spin = 0;
    std::vector<job> jobs;
    for (int i = 0; i < 6; ++i)
      jobs.push_back([&, i] {
        for (int n = 0; n < 20; ++n) {
          mtx_lock(&m);
          while (turn != n * 6 + i) cnd_wait(&c, &m);
          ++turn;
          cnd_broadcast(&c);
          mtx_unlock(&m);
          for (int now = ticket; now != n * 6 + i; now = ticket) ticket.wait(now);
          ++ticket;
          ticket.notify_all();
          pthread_spin_lock(&spin);
          ++under_spin;
          pthread_spin_unlock(&spin);
        }
      });
    run(std::move(jobs));
    CHECK(turn == 120);
    CHECK(ticket == 120);
    CHECK(under_spin == 120);
  });
}

TEST_CASE("a PI mutex between fibers of one thread is handed over, and waits for a native thread without stopping the hub") {
  active on;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutex_t m;
  pthread_mutex_init(&m, &attributes);
  turns taken;
  long ticks = 0;
  std::vector<job> jobs;
  for (int i = 0; i < 5; ++i) jobs.push_back(taken.at(m));
  SUBCASE("fibers") {
    in_fibers(std::move(jobs));
    CHECK(taken.total == 100);
  }
  SUBCASE("fibers of two threads and native ones") {
    jobs.resize(3);
    everywhere(std::move(jobs));
    CHECK(taken.total == 60);
  }
  SUBCASE("a native owner") {
    std::atomic<bool> held{false}, release{false};
    std::thread owner([&] {
      pthread_mutex_lock(&m);
      held = true;
      while (!release) std::this_thread::sleep_for(100us);
      pthread_mutex_unlock(&m);
    });
    while (!held) std::this_thread::sleep_for(100us);
    bool tried = false;
    in_fibers({[&] {
                 const timespec t = in_ms(CLOCK_REALTIME, 2);
                 CHECK(pthread_mutex_timedlock(&m, &t) == ETIMEDOUT);
                 CHECK(pthread_mutex_trylock(&m) == EBUSY);
                 tried = true;
                 pthread_mutex_lock(&m);
                 pthread_mutex_unlock(&m);
               },
               [&] {
                 for (; ticks < 5 || !tried; ++ticks) ::usleep(1000);
                 release = true;
               }});
    owner.join();
    CHECK(ticks >= 5);
    taken.most = 1;
  }
  CHECK(taken.most == 1);
}
