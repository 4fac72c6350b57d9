// Stack walks through a rewritten site: backtraces of parked fibers, and the forced unwinding of pthread_cancel and pthread_exit.
#include <doctest/doctest.h>
#include <execinfo.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include <weft/weft.hpp>

#include "child.hpp"
#include "pipe_pair.hpp"

using namespace std::chrono_literals;

namespace {

struct flag_at_exit {
  std::atomic<bool>& flag;
  ~flag_at_exit() { flag = true; }
};

}  // namespace

extern "C" [[gnu::noinline, gnu::visibility("default")]] long reads_deep_inside(int fd) {
  char byte;
  const long got = ::read(fd, &byte, 1);
  asm volatile("" : : : "memory");  // no tail call
  return got;
}

TEST_CASE("helper: the list of fibers" * doctest::skip()) {
  REQUIRE(weft::patch_all().sites_patched > 0);
  pipe_pair p;
  auto reader = weft::spawn({.name = "reader"}, [&] { return reads_deep_inside(p.ends[0]); });
  weft::this_fiber::yield();
  weft::print_run_info();
  CHECK(::write(p.ends[1], "x", 1) == 1);
  CHECK(reader.get() == 1);
}

TEST_CASE("the backtrace of a fiber that is parked in libc's read shows who called it") {
  const auto r = weft_test::run_self("helper: the list of fibers");
  CHECK(r.exit_code == 0);
  CHECK_MESSAGE(r.err.find("reads_deep_inside") != std::string::npos, r.err);
}

namespace {

int walked;
std::atomic<bool> seen_caller;

void walk(int) {
  void* frames[64];
  walked = backtrace(frames, 64);
  char** names = backtrace_symbols(frames, walked);
  for (int k = 0; k < walked; ++k) seen_caller = seen_caller || std::strstr(names[k], "reads_deep_inside") != nullptr;
  free(names);
}

}  // namespace

TEST_CASE("backtrace() in a signal handler that interrupts a thread waiting in its site reaches the caller") {
  REQUIRE(weft::patch_all().sites_patched > 0);
  void* load_libgcc[4];
  backtrace(load_libgcc, 4);
  pipe_pair p;
  struct sigaction action{}, before{};
  action.sa_handler = walk;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, &before);
  std::atomic<bool> done = false;
  std::thread sender([&, main = pthread_self()] {
    // Until one has met it in its wait.
    do {
      std::this_thread::sleep_for(1ms);
      pthread_kill(main, SIGUSR1);
    } while (!seen_caller);
    CHECK(::write(p.ends[1], "x", 1) == 1);
    done = true;
  });
  CHECK(reads_deep_inside(p.ends[0]) == 1);
  sender.join();
  sigaction(SIGUSR1, &before, nullptr);
  CHECK(walked > 3);
  CHECK(seen_caller);
}

TEST_CASE("pthread_cancel ends a thread whose main fiber is parked in a site, and runs its destructors") {
  REQUIRE(weft::patch_all().sites_patched > 0);
  pipe_pair p;
  std::atomic<bool> waits = false, unwound = false;
  struct argument {
    int fd;
    std::atomic<bool>&waits, &unwound;
  } a{p.ends[0], waits, unwound};
  pthread_t t;
  REQUIRE(pthread_create(&t, nullptr, [](void* at) -> void* {
            auto& arg = *static_cast<argument*>(at);
            weft::spawn({.name = "company"}, [] { weft::this_fiber::sleep_for(1h); });
            weft::this_fiber::yield();
            const flag_at_exit guard{arg.unwound};
            arg.waits = true;
            reads_deep_inside(arg.fd);
            return nullptr;
          }, &a) == 0);
  while (!waits) std::this_thread::yield();
  std::this_thread::sleep_for(20ms);
  CHECK(pthread_cancel(t) == 0);
  void* how = nullptr;
  CHECK(pthread_join(t, &how) == 0);
  CHECK(how == PTHREAD_CANCELED);
  CHECK(unwound);
}

TEST_CASE("pthread_exit in a thread with parked fibers ends it") {
  REQUIRE(weft::patch_all().sites_patched > 0);
  pipe_pair p;
  pthread_t t;
  REQUIRE(pthread_create(&t, nullptr, [](void* at) -> void* {
            const int fd = *static_cast<int*>(at);
            weft::spawn({.name = "parked"}, [fd] { reads_deep_inside(fd); });
            weft::this_fiber::yield();
            pthread_exit(reinterpret_cast<void*>(5));
          }, &p.ends[0]) == 0);
  void* how = nullptr;
  CHECK(pthread_join(t, &how) == 0);
  CHECK(how == reinterpret_cast<void*>(5));
}
