// libweft.so loaded by dlopen into a process that has threads: those threads, and the ones that they start later, can use it.
#include <doctest/doctest.h>
#include <dlfcn.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <thread>

#include "pipe_pair.hpp"

namespace {

std::atomic<int> about_to_wait{0}, stage{0};

using weft_fiber = void;
int (*patch_all)();
int (*spawn)(weft_fiber**, void* (*)(void*), void*);
int (*join)(weft_fiber*, void**);
int (*nap)(std::int64_t);

void* sleep_a_little(void* at) {
  nap(1'000'000);
  *static_cast<bool*>(at) = true;
  return nullptr;
}

// What every thread must be able to do, however old it is.
bool fibers_work() {
  bool slept = false;
  weft_fiber* f = nullptr;
  return spawn(&f, sleep_a_little, &slept) == 0 && join(f, nullptr) == 0 && slept;
}

void wait_for_stage(int wanted) {
  while (stage.load() < wanted) std::this_thread::yield();
}

}  // namespace

TEST_CASE("threads that are older than libweft.so make calls through its sites and run fibers") {
  REQUIRE(dlopen("libweft.so.0", RTLD_NOW | RTLD_NOLOAD) == nullptr);
  pipe_pair for_read, for_poll;
  bool fine[5]{};
  int polled = -2, why = 0;
  std::thread reader([&] {
    char byte;
    ++about_to_wait;
    if (read(for_read.ends[0], &byte, 1) != 1) return;
    wait_for_stage(2);
    fine[0] = fibers_work();
  });
  std::thread poller([&] {
    pollfd one{for_poll.ends[0], POLLIN, 0};
    ++about_to_wait;
    polled = poll(&one, 1, -1);
    why = errno;
    fine[1] = polled == 1;
  });
  std::thread ran_before_patching([&] {
    ++about_to_wait;
    wait_for_stage(1);
    fine[4] = fibers_work();
  });
  std::thread creator([&] {
    ++about_to_wait;
    wait_for_stage(2);
    std::thread([&] { fine[2] = fibers_work(); }).join();
    char byte;
    fine[3] = read(for_read.ends[0], &byte, 1) == 1;
  });
  while (about_to_wait.load() < 4) std::this_thread::yield();
  for (int k = 0; k < 100; ++k) std::this_thread::yield();

  void* weft = dlopen(std::getenv("WEFT_LIBRARY"), RTLD_NOW | RTLD_GLOBAL);
  REQUIRE_MESSAGE(weft != nullptr, dlerror());
  patch_all = reinterpret_cast<int (*)()>(dlsym(weft, "weft_patch_all"));
  spawn = reinterpret_cast<int (*)(weft_fiber**, void* (*)(void*), void*)>(dlsym(weft, "weft_spawn"));
  join = reinterpret_cast<int (*)(weft_fiber*, void**)>(dlsym(weft, "weft_join"));
  nap = reinterpret_cast<int (*)(std::int64_t)>(dlsym(weft, "weft_sleep"));
  REQUIRE((patch_all != nullptr));
  REQUIRE((spawn != nullptr));
  REQUIRE((join != nullptr));
  REQUIRE((nap != nullptr));
  stage = 1;
  CHECK(fibers_work());
  ran_before_patching.join();
  CHECK(fine[4]);
  CHECK(patch_all() > 0);
  stage = 2;
  CHECK(write(for_read.ends[1], "yz", 2) == 2);
  CHECK(write(for_poll.ends[1], "x", 1) == 1);
  reader.join();
  poller.join();
  creator.join();
  CHECK(fine[0]);
  CHECK_MESSAGE(polled == 1, why);  // the stop was not seen as EINTR
  CHECK(fine[2]);
  CHECK(fine[3]);
}
