// Mutexes that the kernel helps with: robust, priority-inheriting, shared between processes. On the kernel's threads and on green ones.
#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "green.hpp"

namespace {

struct kind {
  bool robust = false, inherits = false, shared = false;
};

void make(pthread_mutex_t& m, kind k, int type = PTHREAD_MUTEX_NORMAL) {
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  REQUIRE(pthread_mutexattr_settype(&a, type) == 0);
  if (k.robust) REQUIRE(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0);
  if (k.inherits) REQUIRE(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0);
  if (k.shared) REQUIRE(pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0);
  REQUIRE(pthread_mutex_init(&m, &a) == 0);
  pthread_mutexattr_destroy(&a);
}

timespec in_ms(long ms) {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_nsec += ms % 1000 * 1'000'000;
  t.tv_sec += ms / 1000 + t.tv_nsec / 1'000'000'000;
  t.tv_nsec %= 1'000'000'000;
  return t;
}

template <class T>
struct shared_memory {
  T* at = static_cast<T*>(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ~shared_memory() { munmap(at, sizeof(T)); }
};

constexpr kind every_kind[] = {{false, true, false}, {false, true, true}, {true, false, false}, {true, true, false},
                               {true, false, true},  {false, false, true}, {true, true, true}};

}  // namespace

TEST_CASE("a mutex of every kind excludes, is handed on, times out and is destroyed") {
  for (const kind k : every_kind) {
    CAPTURE(k.robust);
    CAPTURE(k.inherits);
    CAPTURE(k.shared);
    pthread_mutex_t m;
    make(m, k);
    int inside = 0, most = 0, turns = 0;
    std::vector<std::thread> all;
    for (int i = 0; i < 8; ++i)
      all.emplace_back([&] {
        for (int n = 0; n < 50; ++n) {
          pthread_mutex_lock(&m);
          most = ++inside > most ? inside : most;
          ++turns;
          if (n % 7 == 0) sched_yield();
          --inside;
          pthread_mutex_unlock(&m);
        }
      });
    for (auto& t : all) t.join();
    CHECK(most == 1);
    CHECK(turns == 400);
    REQUIRE(pthread_mutex_lock(&m) == 0);
    in_thread([&] {
      CHECK(pthread_mutex_trylock(&m) == EBUSY);
      const timespec soon = in_ms(20);
      CHECK(pthread_mutex_timedlock(&m, &soon) == ETIMEDOUT);
    });
    REQUIRE(pthread_mutex_unlock(&m) == 0);
    in_thread([&] {
      CHECK(pthread_mutex_trylock(&m) == 0);
      CHECK(pthread_mutex_unlock(&m) == 0);
    });
    CHECK(pthread_mutex_destroy(&m) == 0);
  }
}

TEST_CASE("a thread waits for a lock that is held while it computes nothing, and gets it") {
  for (const kind k : every_kind) {
    pthread_mutex_t m;
    make(m, k);
    REQUIRE(pthread_mutex_lock(&m) == 0);
    std::atomic<int> got{0};
    std::vector<std::thread> all;
    for (int i = 0; i < 5; ++i)
      all.emplace_back([&] {
        if (pthread_mutex_lock(&m) != 0) return;
        ++got;
        usleep(1000);
        pthread_mutex_unlock(&m);
      });
    usleep(20'000);
    CHECK(got == 0);
    REQUIRE(pthread_mutex_unlock(&m) == 0);
    for (auto& t : all) t.join();
    CHECK(got == 5);
    CHECK(pthread_mutex_destroy(&m) == 0);
  }
}

TEST_CASE("who holds an error-checking priority-inheriting mutex hears so, and only its owner unlocks it") {
  pthread_mutex_t m;
  make(m, {false, true, false}, PTHREAD_MUTEX_ERRORCHECK);
  in_thread([&] {
    CHECK(pthread_mutex_lock(&m) == 0);
    CHECK(pthread_mutex_lock(&m) == EDEADLK);
    in_thread([&] { CHECK(pthread_mutex_unlock(&m) == EPERM); });
    CHECK(pthread_mutex_unlock(&m) == 0);
    CHECK(pthread_mutex_unlock(&m) == EPERM);
  });
  CHECK(pthread_mutex_destroy(&m) == 0);
}

TEST_CASE("a robust mutex whose owner ended is taken over, made consistent, and usable again") {
  for (const kind k : every_kind) {
    if (!k.robust) continue;
    CAPTURE(k.inherits);
    pthread_mutex_t m;
    make(m, k);
    SUBCASE("by who comes later") {
      in_thread([&] { pthread_mutex_lock(&m); });
      CHECK(pthread_mutex_lock(&m) == EOWNERDEAD);
    }
    SUBCASE("by who waits already") {
      std::atomic<int> locked{0}, answer{-1};
      std::thread owner([&] {
        pthread_mutex_lock(&m);
        locked = 1;
        usleep(30'000);
      });
      while (locked == 0) sched_yield();
      in_thread([&] {
        answer = pthread_mutex_lock(&m);
        CHECK(pthread_mutex_consistent(&m) == 0);
        CHECK(pthread_mutex_unlock(&m) == 0);
      });
      owner.join();
      CHECK(answer == EOWNERDEAD);
      CHECK(pthread_mutex_lock(&m) == 0);
      CHECK(pthread_mutex_unlock(&m) == 0);
      continue;
    }
    CHECK(pthread_mutex_consistent(&m) == 0);
    CHECK(pthread_mutex_unlock(&m) == 0);
    in_thread([&] {
      CHECK(pthread_mutex_lock(&m) == 0);
      CHECK(pthread_mutex_unlock(&m) == 0);
    });
  }
}

TEST_CASE("a robust mutex that is unlocked without having been made consistent is lost") {
  pthread_mutex_t m;
  make(m, {true, false, false});
  in_thread([&] { pthread_mutex_lock(&m); });
  CHECK(pthread_mutex_lock(&m) == EOWNERDEAD);
  CHECK(pthread_mutex_unlock(&m) == 0);
  in_thread([&] { CHECK(pthread_mutex_lock(&m) == ENOTRECOVERABLE); });
}

TEST_CASE("several robust mutexes of one thread are all handed on") {
  pthread_mutex_t all[20];
  for (auto& m : all) make(m, {true, false, false});
  in_thread([&] {
    for (auto& m : all) pthread_mutex_lock(&m);
  });
  for (auto& m : all) CHECK(pthread_mutex_lock(&m) == EOWNERDEAD);
}

TEST_CASE("a thread whose list of robust mutexes leads nowhere, or round and round, ends all the same") {
  static robust_list_head bad;
  SUBCASE("nowhere") { bad.list.next = reinterpret_cast<robust_list*>(16); }
  SUBCASE("round and round") {
    static robust_list one, two;
    one.next = &two;
    two.next = &one;
    bad.list.next = &one;
  }
  SUBCASE("to an entry without a word") {
    static robust_list one;
    one.next = &bad.list;
    bad.list.next = &one;
    bad.futex_offset = 1L << 60;
  }
  bool registered = false;
  in_thread([&] { registered = syscall(SYS_set_robust_list, &bad, sizeof bad) == 0; });
  CHECK(registered);
}

TEST_CASE("a thread's list of robust mutexes is found by its id, and only while it lives") {
  void* head = nullptr;
  size_t size = 0;
  pid_t tid = 0;
  in_thread([&] {
    tid = gettid();
    CHECK(syscall(SYS_get_robust_list, 0, &head, &size) == 0);
    CHECK(size == sizeof(robust_list_head));
    void* by_id = nullptr;
    CHECK(syscall(SYS_get_robust_list, tid, &by_id, &size) == 0);
    CHECK(by_id == head);
  });
  CHECK(syscall(SYS_get_robust_list, 0, &head, &size) == 0);
  CHECK(head != nullptr);
}

TEST_CASE("processes hand a shared mutex and a semaphore to each other while other threads run") {
  struct both {
    pthread_mutex_t m;
    sem_t to_child, to_parent;
    int count;
  };
  shared_memory<both> s;
  make(s.at->m, {false, false, true});
  sem_init(&s.at->to_child, 1, 0);
  sem_init(&s.at->to_parent, 1, 0);
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 50; ++i) {
      while (sem_wait(&s.at->to_child) != 0) {}
      pthread_mutex_lock(&s.at->m);
      ++s.at->count;
      pthread_mutex_unlock(&s.at->m);
      sem_post(&s.at->to_parent);
    }
    _exit(0);
  }
  std::atomic<bool> over{false};
  std::atomic<long> turns{0};
  std::thread other([&] {
    while (!over) {
      ++turns;
      usleep(200);
    }
  });
  while (turns == 0) usleep(200);  // natively the hand-overs may be over before the other thread first ran
  in_thread([&] {
    for (int i = 0; i < 50; ++i) {
      sem_post(&s.at->to_child);
      while (sem_wait(&s.at->to_parent) != 0) {}
    }
  });
  over = true;
  other.join();
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(s.at->count == 50);
  CHECK(turns > 0);
}

TEST_CASE("a process that ends leaves a robust mutex to the other, when it ends by itself") {
  shared_memory<pthread_mutex_t> m;
  make(*m.at, {true, false, true});
  const pid_t child = fork();
  if (child == 0) {
    std::thread([&] {
      pthread_mutex_lock(m.at);
      _exit(0);
    }).join();
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  in_thread([&] {
    CHECK(pthread_mutex_lock(m.at) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(m.at) == 0);
    CHECK(pthread_mutex_unlock(m.at) == 0);
  });
}

TEST_CASE("a shared condition variable between threads of one process wakes them") {
  struct both {
    pthread_mutex_t m;
    pthread_cond_t c;
    int stage;
  };
  shared_memory<both> s;
  both here;
  for (both* b : {s.at, &here}) {
    b->stage = 0;
    make(b->m, {false, false, true});
    pthread_condattr_t a;
    pthread_condattr_init(&a);
    pthread_condattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&b->c, &a);
    std::vector<std::thread> all;
    for (int i = 0; i < 4; ++i)
      all.emplace_back([b, i] {
        pthread_mutex_lock(&b->m);
        while (b->stage != i) pthread_cond_wait(&b->c, &b->m);
        ++b->stage;
        pthread_cond_broadcast(&b->c);
        pthread_mutex_unlock(&b->m);
      });
    for (auto& t : all) t.join();
    CHECK(b->stage == 4);
  }
}

TEST_CASE("requeueing to a priority-inheriting lock hands it from one waiter to the next") {
  static std::atomic<std::uint32_t> condition, lock;
  condition = 0;
  lock = 0;
  std::atomic<int> came{0};
  std::vector<std::thread> all;
  std::atomic<int> waiting{0};
  for (int i = 0; i < 3; ++i)
    all.emplace_back([&] {
      ++waiting;
      if (syscall(SYS_futex, &condition, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, nullptr, &lock, 0) != 0) return;
      CHECK((lock & FUTEX_TID_MASK) == static_cast<std::uint32_t>(gettid()));
      ++came;
      CHECK(syscall(SYS_futex, &lock, FUTEX_UNLOCK_PI_PRIVATE, 0, nullptr, nullptr, 0) == 0);
    });
  while (waiting < 3) usleep(1000);
  CHECK(syscall(SYS_futex, &condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 10L, &lock, 1) == -1);
  CHECK(errno == EAGAIN);
  // Until all have come to their wait, however long that takes them.
  for (long moved = 0; moved < 3; usleep(1000)) {
    const long more = syscall(SYS_futex, &condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 10L, &lock, 0);
    REQUIRE(more >= 0);
    moved += more;
  }
  for (auto& t : all) t.join();
  CHECK(came == 3);
  CHECK((lock & FUTEX_TID_MASK) == 0);
}
