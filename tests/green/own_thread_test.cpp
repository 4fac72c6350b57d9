// spawn({.own_thread = true}): a fiber with a thread control block of its own.
#include <doctest/doctest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

thread_local int counter = 0;

pthread_mutex_t recursive_mutex() {
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_t m;
  pthread_mutex_init(&m, &a);
  return m;
}

}  // namespace

TEST_CASE("fibers with own threads have thread_local objects, errno and pthread_self of their own") {
  counter = 100;
  const pthread_t mine = pthread_self();
  std::vector<weft::fiber<bool>> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(weft::spawn({.own_thread = true}, [i, mine] {
      errno = 1000 + i;
      counter += i;
      weft::this_fiber::sleep_for(1ms);
      weft::this_fiber::yield();
      return counter == i && errno == 1000 + i && pthread_equal(pthread_self(), mine) == 0;
    }));
  for (auto& f : all) CHECK(f.get());
  CHECK(counter == 100);
}

TEST_CASE("a recursive mutex that one of them holds keeps another one out, which parks") {
  static pthread_mutex_t m = recursive_mutex();
  std::string order;
  weft::event held, wanted, go_on;
  auto holder = weft::spawn({.own_thread = true}, [&] {
    pthread_mutex_lock(&m);
    order += "a";
    held.set();
    go_on.wait();
    order += "b";
    pthread_mutex_unlock(&m);
  });
  auto other = weft::spawn({.own_thread = true}, [&] {
    held.wait();
    CHECK(pthread_mutex_trylock(&m) == EBUSY);
    wanted.set();
    pthread_mutex_lock(&m);
    order += "c";
    pthread_mutex_unlock(&m);
  });
  auto light = weft::spawn([&] {
    wanted.wait();  // the other one waits for the mutex by then: nobody else runs before it parks
    order += "l";
    go_on.set();
  });
  holder.get();
  other.get();
  light.get();
  CHECK(order == "albc");
}

TEST_CASE("results, exceptions and cancellation come back as from any fiber") {
  auto value = weft::spawn({.own_thread = true}, [](std::string s) { return s + "!"; }, "weft");
  CHECK(value.get() == "weft!");
  auto failing = weft::spawn({.own_thread = true}, [] { throw std::runtime_error("no"); });
  CHECK_THROWS_AS(failing.get(), std::runtime_error);
  bool unwound = false;
  auto endless = weft::spawn({.own_thread = true}, [&] {
    struct noting {
      bool& b;
      ~noting() { b = true; }
    } n{unwound};
    weft::this_fiber::sleep_for(1h);
  });
  weft::this_fiber::sleep_for(1ms);
  endless.kill();
  CHECK(unwound);
  CHECK(endless.was_cancelled());
  auto thrown_at = weft::spawn({.own_thread = true}, [] { weft::this_fiber::sleep_for(1h); });
  weft::this_fiber::sleep_for(1ms);
  thrown_at.throw_in(std::make_exception_ptr(std::logic_error("thrown in")));
  CHECK_THROWS_AS(thrown_at.get(), std::logic_error);
}

TEST_CASE("the processor's time of a light fiber that ends is not that of the thread that comes after it") {
  const auto ms_of = [](clockid_t clock) {
    timespec t{};
    syscall(SYS_clock_gettime, clock, &t);
    return static_cast<long>(t.tv_sec) * 1000 + t.tv_nsec / 1'000'000;
  };
  weft::event waits, computed;
  auto thread = weft::spawn({.own_thread = true}, [&] {
    const long before = ms_of(CLOCK_THREAD_CPUTIME_ID);
    waits.set();
    computed.wait();
    return ms_of(CLOCK_THREAD_CPUTIME_ID) - before;
  });
  auto light = weft::spawn([&] {
    waits.wait();
    const long end = ms_of(CLOCK_PROCESS_CPUTIME_ID) + 50;
    while (ms_of(CLOCK_PROCESS_CPUTIME_ID) < end) {
    }
    computed.set();  // and ends: nobody runs between
  });
  CHECK(thread.get() < 25);
  light.get();
}

TEST_CASE("pthread_exit in one of them fails that fiber alone") {
  auto f = weft::spawn({.own_thread = true}, [] { pthread_exit(nullptr); });
  CHECK_THROWS_AS(f.get(), std::system_error);
}

TEST_CASE("a pthread made by the program stays a thread of the kernel") {
  pthread_t t;
  static pid_t tid = 0;
  REQUIRE(pthread_create(&t, nullptr, [](void*) -> void* { tid = gettid(); return nullptr; }, nullptr) == 0);
  pthread_join(t, nullptr);
  CHECK(tid < 1 << 23);
}
