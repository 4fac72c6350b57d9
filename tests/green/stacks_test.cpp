// Threads' stacks as programs see them, on the kernel's threads and on green ones.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <pthread.h>
#include <semaphore.h>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "green.hpp"

namespace {

struct stack_facts {
  char* lowest = nullptr;
  std::size_t size = 0, guard = 0;
};

stack_facts own_stack() {
  pthread_attr_t a;
  stack_facts s;
  void* lowest = nullptr;
  REQUIRE(pthread_getattr_np(pthread_self(), &a) == 0);
  REQUIRE(pthread_attr_getstack(&a, &lowest, &s.size) == 0);
  REQUIRE(pthread_attr_getguardsize(&a, &s.guard) == 0);
  pthread_attr_destroy(&a);
  s.lowest = static_cast<char*>(lowest);
  return s;
}

template <class F>
int run_with(std::size_t stack, std::size_t guard, F& body) {
  pthread_attr_t a;
  pthread_attr_init(&a);
  pthread_attr_setstacksize(&a, stack);
  pthread_attr_setguardsize(&a, guard);
  pthread_t t;
  const int error = pthread_create(&t, &a, [](void* f) -> void* { return (*static_cast<F*>(f))(), nullptr; }, &body);
  pthread_attr_destroy(&a);
  return error != 0 ? error : pthread_join(t, nullptr);
}

// The signal that ends a child in which a thread writes there.
int death_by_writing(std::size_t stack, std::size_t guard, std::ptrdiff_t from_lowest) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);  // the test's own reporter
    auto body = [=] { *static_cast<volatile char*>(own_stack().lowest + from_lowest) = 1; };
    run_with(stack, guard, body);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t n = 0;
  for (std::string line; std::getline(maps, line);) ++n;
  return n;
}

}  // namespace

TEST_CASE("threads are green in the run that is to be") {
  bool green = false;
  in_thread([&] { green = is_green(); });
  CHECK(green == wants_green());
}

TEST_CASE("a thread's stack has the size and the guard that were asked for, and can be written from end to end") {
  for (const std::size_t kib : {64, 256, 1024}) {
    auto body = [kib] {
      const stack_facts s = own_stack();
      CHECK(s.size == kib * 1024);
      CHECK(s.guard == 8192);
      char here = 0;
      CHECK(&here > s.lowest);
      CHECK(&here < s.lowest + s.size);
      volatile char* p = s.lowest;
      for (std::size_t i = 0; i < s.size - 32 * 1024; i += 1024) p[i] = 1;
    };
    CHECK(run_with(kib * 1024, 8192, body) == 0);
  }
}

TEST_CASE("a thread that runs over the end of its stack is ended by its guard") {
  CHECK(death_by_writing(256 * 1024, 4096, -1) == SIGSEGV);
  CHECK(death_by_writing(256 * 1024, 16384, -16384) == SIGSEGV);
  CHECK(death_by_writing(256 * 1024, 16384, 0) == 0);
}

TEST_CASE("the stack of a thread that is over is used again, and threads do not see what was left on it") {
  bool clean = true;
  for (int round = 0; round < 200; ++round) {
    auto body = [&] {
      const stack_facts s = own_stack();
      // Larger than what libc keeps for itself is unmapped at once.
      volatile char* p = s.lowest;
      for (std::size_t i = 0; i < 4096; i += 64) clean = clean && p[i] == 0;
      std::memset(s.lowest, 1, 4096);
    };
    REQUIRE(run_with(64 << 20, 4096, body) == 0);
  }
  CHECK(clean);
}

TEST_CASE("thousands of threads are alive at once, on few mappings when they are green") {
  constexpr int count = 3000;
  struct shared {
    sem_t go, up;
  } s;
  sem_init(&s.go, 0, 0);
  sem_init(&s.up, 0, 0);
  const std::size_t before = mappings();
  std::vector<pthread_t> all;
  for (int i = 0; i < count; ++i) {
    pthread_t t;
    const auto body = [](void* p) -> void* {
      auto* with = static_cast<shared*>(p);
      sem_post(&with->up);
      while (sem_wait(&with->go) != 0) {}
      return nullptr;
    };
    if (pthread_create(&t, nullptr, body, &s) != 0) break;
    all.push_back(t);
  }
  // How many the kernel has of its own is its own affair.
  if (wants_green()) CHECK(all.size() == count);
  for (std::size_t i = 0; i < all.size(); ++i) while (sem_wait(&s.up) != 0) {}
  if (wants_green() && std::getenv("WEFT_WITHOUT") == nullptr) CHECK(mappings() - before < 60);
  for (std::size_t i = 0; i < all.size(); ++i) sem_post(&s.go);
  for (const pthread_t t : all) CHECK(pthread_join(t, nullptr) == 0);
}

TEST_CASE("a program's own stacks, mapped as libc maps them, are ordinary memory") {
  in_thread([] {
    constexpr std::size_t size = 128 * 1024, page = 4096;
    char* at = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
    REQUIRE(at != MAP_FAILED);
    CHECK(std::all_of(at, at + size, [](char c) { return c == 0; }));
    std::memset(at, 7, size);
    CHECK(mprotect(at, page, PROT_NONE) == 0);
    CHECK(mprotect(at, page, PROT_READ | PROT_WRITE) == 0);
    CHECK(at[0] == 7);
    // A part of it goes, the rest stays.
    CHECK(munmap(at + 8 * page, 4 * page) == 0);
    unsigned char resident[4];
    CHECK(mincore(at + 8 * page, 4 * page, resident) == -1);
    CHECK(at[7 * page] == 7);
    CHECK(at[12 * page] == 7);
    char* moved = static_cast<char*>(mremap(at, 4 * page, 64 * page, MREMAP_MAYMOVE));
    REQUIRE(moved != MAP_FAILED);
    CHECK(moved[0] == 7);
    CHECK(moved[63 * page] == 0);
    CHECK(munmap(moved, 64 * page) == 0);
    CHECK(munmap(at + 4 * page, size - 4 * page) == 0);
  });
}

TEST_CASE("a forked child makes threads on the stacks that its parent's threads had") {
  in_thread([] {});
  const pid_t child = fork();
  if (child == 0) {
    int sum = 0;
    for (int i = 0; i < 20; ++i) in_thread([&] { ++sum; });
    _exit(sum == 20 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
