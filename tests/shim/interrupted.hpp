// One call, interrupted by a signal: in an OS thread of its own, where the kernel decides what comes of it, and in a fiber, where Weft
// does. Both run in the same, patched process; a thread without a hub is the kernel's.
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "weft/fiber.hpp"
#include "weft/hub.hpp"

namespace weft_test {

// What handlers do and see.
struct signal_log {
  std::atomic<int> runs{0};
  std::atomic<int> number{0}, code{0}, pid{0}, value{0};
  std::atomic<bool> self_blocked{false}, other_blocked{false};
};
inline signal_log heard;

inline void listen_handler(int number, siginfo_t* info, void* context) {
  const int saved = errno;
  heard.number = number;
  heard.code = info->si_code;
  heard.pid = info->si_pid;
  heard.value = info->si_value.sival_int;
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  heard.self_blocked = sigismember(&now, number) == 1;
  heard.other_blocked = sigismember(&now, SIGUSR2) == 1;
  if (context == nullptr) std::abort();
  heard.runs += 1;
  errno = saved;
}

inline void install(int number, int flags, bool block_other = false) {
  struct sigaction action {};
  action.sa_sigaction = listen_handler;
  action.sa_flags = flags | SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  if (block_other) sigaddset(&action.sa_mask, SIGUSR2);
  if (sigaction(number, &action, nullptr) != 0) std::abort();
}

// 'S': it sleeps in the kernel.
inline char state_of(long tid) {
  char path[64], text[512];
  std::snprintf(path, sizeof path, "/proc/self/task/%ld/stat", tid);
  FILE* f = std::fopen(path, "r");
  if (f == nullptr) return '?';
  const std::size_t n = std::fread(text, 1, sizeof text - 1, f);
  std::fclose(f);
  text[n] = 0;
  const char* end = std::strrchr(text, ')');
  return end != nullptr ? end[2] : '?';
}

inline void wait_asleep(long tid) {
  for (int seen = 0; seen < 2;) {
    usleep(2000);
    seen = state_of(tid) == 'S' ? seen + 1 : 0;
  }
}

struct interruption {
  std::function<std::string()> call;        // by the one who is interrupted
  std::function<void(pthread_t)> signal;    // once it waits
  std::function<void()> afterwards;         // once it waits again or has returned; may be empty
};

// What `call` said, and how often handlers ran.
inline std::string interrupted(const interruption& i, bool in_fiber) {
  heard.runs = 0;
  std::atomic<bool> begun{false}, over{false};
  std::atomic<long> tid{0};
  std::string said;
  const auto body = [&] {
    tid = syscall(SYS_gettid);
    begun = true;
    said = i.call();
    over = true;
  };
  const auto act = [&](pthread_t whom) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    while (!begun) usleep(1000);
    wait_asleep(tid);
    i.signal(whom);
    for (int k = 0; k < 30000 && heard.runs == 0; ++k) usleep(1000);
    if (!i.afterwards) return;
    if (!over) wait_asleep(tid);
    i.afterwards();
  };
  if (in_fiber) {
    std::thread actor([&, whom = pthread_self()] { act(whom); });
    weft::spawn(body).get();
    actor.join();
  } else {
    std::thread caller(body);
    act(caller.native_handle());
    caller.join();
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
  }
  return said + ", handlers ran " + std::to_string(heard.runs.load());
}

inline std::string outcome(long result) {
  const int error = errno;
  return result >= 0 ? std::to_string(result) : "-1 " + std::string(strerrorname_np(error));
}

}  // namespace weft_test
