// Exceptions, destructors and backtraces in threads: through waits that are left, beside threads that do the same.
#include <execinfo.h>
#include <semaphore.h>

#include <atomic>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "../green.h"

#define GROUP "unwinding"

namespace {

int fds[2];

struct says {
  const char* name;
  ~says() { say("destructor of %s", name); }
};

void wait_below() {
  says inner{"the inner one"};
  char c;
  QUIETLY(read(fds[0], &c, 1));
  say("never said");
}

void* wait_with_destructors(void* arg) {
  says outer{"the outer one"};
  wait_below();
  return arg;
}

void* wait_with_catch_all(void* arg) {
  says outer{"the outer one"};
  try {
    wait_below();
  } catch (...) {
    say("catch all");
    throw;
  }
  return arg;
}

const char* how(void* result) { return result == PTHREAD_CANCELED ? "canceled" : result == nullptr ? "came back" : "ended otherwise"; }

PLAY(a_cancelled_wait_runs_destructors) {
  unix_pair(SOCK_STREAM, fds);
  for (auto* fn : {wait_with_destructors, wait_with_catch_all}) {
    pthread_t t = start(fn, nullptr);
    let_block(t);
    OK(pthread_cancel(t));
    say("%s", how(finish(t)));
  }
}

void* wait_anywhere(void* arg) {
  says outer{"the outer one"};
  OK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr));
  char c;
  QUIETLY(read(fds[0], &c, 1));
  return arg;
}

PLAY(an_asynchronous_cancellation_runs_destructors) {
  unix_pair(SOCK_STREAM, fds);
  pthread_t t = start(wait_anywhere, nullptr);
  let_block(t);
  OK(pthread_cancel(t));
  say("%s", how(finish(t)));
}

void leave_here() {
  says frame{"a frame"};
  pthread_exit(fds);
}

void leave_below() {
  says frame{"a frame"};
  leave_here();
}

void* leave(void* arg) {
  says outer{"the outer one"};
  leave_below();
  return arg;
}

PLAY(pthread_exit_runs_destructors) { say("%s", how(finish(start(leave, nullptr)))); }

void leave_in_handler(int) { pthread_exit(fds); }

PLAY(pthread_exit_in_a_handler_runs_destructors) {
  unix_pair(SOCK_STREAM, fds);
  struct sigaction action = {};
  action.sa_handler = leave_in_handler;
  MUST(sigaction(SIGUSR1, &action, nullptr));
  pthread_t t = start(wait_with_destructors, nullptr);
  let_block(t);
  OK(pthread_kill(t, SIGUSR1));
  say("%s", how(finish(t)));
}

// -- many throw at once

__attribute__((noinline)) long throw_at(int depth, long value) {
  std::string text(static_cast<std::size_t>(depth % 40 + 1), 'x');
  if (depth == 0) throw std::runtime_error(std::to_string(value));
  return throw_at(depth - 1, value) + static_cast<long>(text.size());
}

void* throw_often(void* arg) {
  const long who = reinterpret_cast<long>(arg);
  long sum = 0;
  for (int i = 0; i < 400; ++i) {
    try {
      throw_at(i % 20, who * 1000 + i);
    } catch (const std::exception& e) {
      sum += std::stol(e.what());
    }
    if (i % 100 == 0) usleep(100);
  }
  return reinterpret_cast<void*>(sum);
}

PLAY(many_throw_at_once) {
  std::vector<pthread_t> all;
  for (long i = 0; i < 6; ++i) all.push_back(start(throw_often, reinterpret_cast<void*>(i)));
  for (pthread_t t : all) say("%ld", reinterpret_cast<long>(finish(t)));
}

// Each is in the middle of a catch block, rethrows, while others are, too.
void* rethrow_after_waiting(void* arg) {
  const long who = reinterpret_cast<long>(arg);
  for (int i = 0; i < 20; ++i) {
    try {
      try {
        throw who * 100 + i;
      } catch (long) {
        usleep(50);
        try {
          throw std::string("another");
        } catch (const std::string&) {
          sched_yield();
        }
        throw;
      }
    } catch (long value) {
      if (value != who * 100 + i) return reinterpret_cast<void*>(1L);
      if (std::uncaught_exceptions() != 0) return reinterpret_cast<void*>(2L);
    }
  }
  return nullptr;
}

PLAY(waiting_in_catch_blocks) {
  std::vector<pthread_t> all;
  for (long i = 0; i < 8; ++i) all.push_back(start(rethrow_after_waiting, reinterpret_cast<void*>(i)));
  for (pthread_t t : all) say("%ld", reinterpret_cast<long>(finish(t)));
}

struct waits_while_unwinding {
  ~waits_while_unwinding() {
    const int before = std::uncaught_exceptions();
    usleep(300);
    if (std::uncaught_exceptions() != before) say("lost count");
    try {
      throw 1;
    } catch (int) {
      sched_yield();
    }
  }
};

void* unwind_waiting(void* arg) {
  for (int i = 0; i < 10; ++i) {
    try {
      const waits_while_unwinding a, b;
      throw std::runtime_error("text");
    } catch (const std::runtime_error& e) {
      if (std::string(e.what()) != "text") say("another's exception");
    }
  }
  return arg;
}

PLAY(waiting_while_unwinding) {
  std::vector<pthread_t> all;
  for (int i = 0; i < 6; ++i) all.push_back(start(unwind_waiting, nullptr));
  for (pthread_t t : all) finish(t);
  say("over");
}

// -- exceptions carried between threads

std::exception_ptr carried;

void* throw_for_another(void* arg) {
  try {
    throw std::out_of_range("carried");
  } catch (...) {
    carried = std::current_exception();
  }
  return arg;
}

PLAY(an_exception_carried_to_main) {
  finish(start(throw_for_another, nullptr));
  try {
    std::rethrow_exception(carried);
  } catch (const std::exception& e) {
    say("caught %s", e.what());
  }
}

// -- backtraces

std::atomic<int> depth_seen;
sem_t traced;

extern "C" __attribute__((noinline)) void trace_here(int) {
  void* frames[64];
  const int n = backtrace(frames, 64);
  depth_seen = n;
  sem_post(&traced);
}

extern "C" __attribute__((noinline)) void* wait_deep(void* arg);

void* wait_deep(void* arg) {
  const long depth = reinterpret_cast<long>(arg);
  char c;
  if (depth == 0) {
    QUIETLY(read(fds[0], &c, 1));
    return nullptr;
  }
  void* const result = wait_deep(reinterpret_cast<void*>(depth - 1));
  __asm__ volatile("" ::: "memory");
  return result;
}

// The handler sees the frames of the wait that it interrupted, as debuggers and profilers do.
PLAY(a_backtrace_through_a_wait) {
  void* warm[4];
  backtrace(warm, 4);
  unix_pair(SOCK_STREAM, fds);
  MUST(sem_init(&traced, 0, 0));
  struct sigaction action = {};
  action.sa_handler = trace_here;
  action.sa_flags = SA_RESTART;
  MUST(sigaction(SIGUSR1, &action, nullptr));
  pthread_t t = start(wait_deep, reinterpret_cast<void*>(10L));
  let_block(t);
  OK(pthread_kill(t, SIGUSR1));
  while (sem_wait(&traced) != 0) {}
  say("the frames of the wait are there: %d", depth_seen >= 13);
  tell(fds[1]);
  finish(t);
}

volatile bool go_on = false;

extern "C" __attribute__((noinline)) void* compute_deep(void* arg);

void* compute_deep(void* arg) {
  const long depth = reinterpret_cast<long>(arg);
  if (depth == 0) {
    depth_seen = -1;
    while (!go_on) __asm__ volatile("");
    return nullptr;
  }
  void* const result = compute_deep(reinterpret_cast<void*>(depth - 1));
  __asm__ volatile("" ::: "memory");
  return result;
}

PLAY(a_backtrace_of_a_computation) {
  void* warm[4];
  backtrace(warm, 4);
  MUST(sem_init(&traced, 0, 0));
  struct sigaction action = {};
  action.sa_handler = trace_here;
  MUST(sigaction(SIGUSR1, &action, nullptr));
  pthread_t t = start(compute_deep, reinterpret_cast<void*>(10L));
  while (depth_seen != -1) usleep(200);
  OK(pthread_kill(t, SIGUSR1));
  while (sem_wait(&traced) != 0) {}
  say("the frames of the computation are there: %d", depth_seen >= 13);
  go_on = true;
  finish(t);
}

}  // namespace
