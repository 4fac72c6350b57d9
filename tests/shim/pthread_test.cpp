// The synchronisation of pthreads, C11 and C++ as it is found in programs, in fibers of one thread, of several, and against native threads.
#include <doctest/doctest.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/patch.hpp"
#include "weft/testing.hpp"

using namespace std::chrono_literals;

namespace {

// Patches once, and asserts at its end that fibers did park.
struct active {
  active() {
    static const weft::patch_result patched = weft::patch_all();
    REQUIRE(patched.sites_patched > 0);
    before = weft::this_hub().stats().parks;
  }
  ~active() { CHECK(weft::this_hub().stats().parks > before); }
  std::uint64_t before;
};

using job = std::function<void()>;

void in_fibers(std::vector<job> jobs) {
  std::vector<weft::fiber<>> fibers;
  for (auto& j : jobs) fibers.push_back(weft::spawn(std::move(j)));
  weft::joinall(fibers);
}

// A third of the jobs in fibers of this thread, a third in fibers of another, a third in native threads.
void everywhere(std::vector<job> jobs) {
  std::vector<job> here, there;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (i % 3 == 0) here.push_back(std::move(jobs[i]));
    else if (i % 3 == 1) there.push_back(std::move(jobs[i]));
    else threads.emplace_back(std::move(jobs[i]));
  }
  std::atomic<bool> done{false};
  threads.emplace_back([&] {
    in_fibers(std::move(there));
    done = true;
  });
  in_fibers(std::move(here));
  while (!done) weft::this_fiber::sleep_for(1ms);  // join() of a thread is another test's
  for (auto& t : threads) t.join();
}

timespec in_ms(clockid_t clock, long ms) {
  timespec t;
  ::clock_gettime(clock, &t);
  t.tv_nsec += ms * 1'000'000;
  t.tv_sec += t.tv_nsec / 1'000'000'000;
  t.tv_nsec %= 1'000'000'000;
  return t;
}

template <class F>
void for_both_casts(F f) {
  SUBCASE("fibers of one thread") { f(in_fibers); }
  SUBCASE("fibers of two threads, and native threads") { f(everywhere); }
}

}  // namespace

TEST_CASE("a pthread mutex that a sleeping fiber holds") {
  active on;
  for_both_casts([](auto run) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    long inside = 0, most = 0, total = 0;
    std::vector<job> jobs;
    for (int i = 0; i < 12; ++i)
      jobs.push_back([&] {
        for (int n = 0; n < 20; ++n) {
          pthread_mutex_lock(&m);
          most = std::max(most, ++inside);
          ::usleep(50);
          --inside;
          ++total;
          pthread_mutex_unlock(&m);
        }
      });
    run(std::move(jobs));
    CHECK(most == 1);
    CHECK(total == 240);
  });
}

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
  long inside = 0, most = 0, total = 0, ticks = 0;
  std::vector<job> jobs;
  for (int i = 0; i < 5; ++i)
    jobs.push_back([&] {
      for (int n = 0; n < 20; ++n) {
        pthread_mutex_lock(&m);
        most = std::max(most, ++inside);
        ::usleep(50);
        --inside;
        ++total;
        pthread_mutex_unlock(&m);
      }
    });
  SUBCASE("fibers") {
    in_fibers(std::move(jobs));
    CHECK(total == 100);
  }
  SUBCASE("fibers of two threads and native ones") {
    jobs.resize(3);
    everywhere(std::move(jobs));
    CHECK(total == 60);
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
    most = 1;
  }
  CHECK(most == 1);
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
