// futex(2) through a rewritten site: every answer and errno is the kernel's, and what waits is the fiber alone.
#include <doctest/doctest.h>
#include <linux/futex.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "core/hub.hpp"
#include "io/futex.hpp"
#include "io/signal_actions.hpp"
#include "site_call.hpp"
#include "weft/cancel.hpp"
#include "weft/hub.hpp"

using namespace weft_test;
using namespace std::chrono_literals;

namespace {

using word = std::uint32_t;

long futex(const void* at, int op, long value = 0, const void* timeout = nullptr, const void* second = nullptr, word value3 = 0) {
  return site_call(SYS_futex, at, op, value, timeout, second, value3);
}

const void* number(long n) { return reinterpret_cast<const void*>(n); }

long wait(const word* at, word expected) { return futex(at, FUTEX_WAIT_PRIVATE, expected); }
long wake(const word* at, int most) { return futex(at, FUTEX_WAKE_PRIVATE, most); }

std::uint64_t parks() { return weft::this_hub().stats().parks; }

// Fibers that wait on words and note the order in which they come back.
struct waiters {
  std::vector<weft::fiber<>> fibers;
  std::string order;
  void add(const word* at, char name, word bitset = FUTEX_BITSET_MATCH_ANY) {
    fibers.push_back(weft::spawn([this, at, name, bitset] {
      const long got = futex(at, FUTEX_WAIT_BITSET_PRIVATE, *at, nullptr, nullptr, bitset);
      order += got == 0 ? name : '!';
    }));
    weft::testing::wait_all_blocked();
  }
  std::string after() {
    weft::testing::wait_all_blocked();
    return std::exchange(order, "");
  }
};

}  // namespace

TEST_CASE("alone with its main fiber, a process makes its futex calls as without Weft") {
  weft::this_hub();
  const word w = 1;
  const timespec soon{0, 1000};
  CHECK(futex(&w, FUTEX_WAIT_PRIVATE, 1, &soon) == -ETIMEDOUT);
  CHECK(site_passed);
  CHECK(wake(&w, 1) == 0);
  CHECK(site_passed);
}

TEST_CASE("answers where nobody waits are the kernel's") {
  site_companion c;
  word a = 1, b = 2;
  const timespec zero{0, 0}, bad{0, -1}, worse{0, 1'000'000'000}, past{-1, 0};
  char* const odd = reinterpret_cast<char*>(&a) + 1;
  void* const hole = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* const read_only = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const void* const kernel_space = number(static_cast<long>(0xffff800000000000));
  struct row {
    const char* what;
    const void* at;
    int op;
    long value;
    const void* timeout;
    const void* second;
    word value3;
  };
  const row rows[] = {
      {"another value", &a, FUTEX_WAIT, 2, nullptr, nullptr, 0},
      {"no time", &a, FUTEX_WAIT, 1, &zero, nullptr, 0},
      {"another value and no time", &a, FUTEX_WAIT, 2, &zero, nullptr, 0},
      {"misaligned", odd, FUTEX_WAIT, 1, &zero, nullptr, 0},
      {"null", nullptr, FUTEX_WAIT, 0, &zero, nullptr, 0},
      {"no access", hole, FUTEX_WAIT, 0, &zero, nullptr, 0},
      {"kernel address", kernel_space, FUTEX_WAIT, 0, &zero, nullptr, 0},
      {"bad time", &a, FUTEX_WAIT, 2, &bad, nullptr, 0},
      {"too many nanoseconds", &a, FUTEX_WAIT, 1, &worse, nullptr, 0},
      {"negative time", &a, FUTEX_WAIT, 1, &past, nullptr, 0},
      {"bad pointer for the time", &a, FUTEX_WAIT, 2, number(8), nullptr, 0},
      {"wait by the wall clock", &a, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 1, &zero, nullptr, 0},
      {"no bits", &a, FUTEX_WAIT_BITSET, 1, &zero, nullptr, 0},
      {"no bits, another value", &a, FUTEX_WAIT_BITSET, 7, &zero, nullptr, 0},
      {"bits, long past", &a, FUTEX_WAIT_BITSET, 1, &zero, nullptr, 1},
      {"bits, long past on the wall clock", &a, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &zero, nullptr, 1},
      {"bits, bad time", &a, FUTEX_WAIT_BITSET, 1, &bad, nullptr, 1},
      {"wake nobody", &a, FUTEX_WAKE, 1, nullptr, nullptr, 0},
      {"wake misaligned", odd, FUTEX_WAKE, 1, nullptr, nullptr, 0},
      {"wake where nothing is", hole, FUTEX_WAKE, 1, nullptr, nullptr, 0},
      {"wake in the kernel", kernel_space, FUTEX_WAKE, 1, nullptr, nullptr, 0},
      {"wake no bits", &a, FUTEX_WAKE_BITSET, 1, nullptr, nullptr, 0},
      {"wake bits", &a, FUTEX_WAKE_BITSET, 1, nullptr, nullptr, 4},
      {"requeue less than nobody", &a, FUTEX_REQUEUE, 1, number(-1), &b, 0},
      {"wake less than nobody", &a, FUTEX_REQUEUE, -1, number(1), &b, 0},
      {"requeue nobody", &a, FUTEX_REQUEUE, 1, number(1), &b, 0},
      {"compare and requeue, another value", &a, FUTEX_CMP_REQUEUE, 1, number(1), &b, 9},
      {"compare and requeue nobody", &a, FUTEX_CMP_REQUEUE, 1, number(1), &b, 1},
      {"requeue to a misaligned word", &a, FUTEX_CMP_REQUEUE, 1, number(1), odd, 1},
      {"compare what cannot be read", hole, FUTEX_CMP_REQUEUE, 1, number(1), &b, 1},
      {"wake and operate", &a, FUTEX_WAKE_OP, 1, number(1), &b, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_GT, 0)},
      {"no such operation", &a, FUTEX_WAKE_OP, 1, number(1), &b, FUTEX_OP(7u, 0, 0, 0)},
      {"no such comparison", &a, FUTEX_WAKE_OP, 1, number(1), &b, FUTEX_OP(FUTEX_OP_ADD, 0, 9u, 0)},
      {"operate on nothing", &a, FUTEX_WAKE_OP, 1, number(1), hole, FUTEX_OP(FUTEX_OP_SET, 1, 0, 0)},
      {"operate on what cannot be written", &a, FUTEX_WAKE_OP, 1, number(1), read_only, FUTEX_OP(FUTEX_OP_SET, 1, 0, 0)},
      {"operate misaligned", &a, FUTEX_WAKE_OP, 1, number(1), odd, FUTEX_OP(FUTEX_OP_SET, 1, 0, 0)},
      {"the removed one", &a, FUTEX_FD, 1, nullptr, nullptr, 0},
      {"no such call", &a, 99, 1, nullptr, nullptr, 0},
  };
  for (const row& r : rows) {
    CAPTURE(r.what);
    const int op = r.op | FUTEX_PRIVATE_FLAG;
    const long natively = weft::sys::raw(SYS_futex, r.at, op, r.value, r.timeout, r.second, r.value3);
    CHECK(futex(r.at, op, r.value, r.timeout, r.second, r.value3) == natively);
  }
  ::munmap(hole, 4096);
  ::munmap(read_only, 4096);
}

TEST_CASE("a word whose page goes away gives EFAULT, whatever was known of it") {
  site_companion c;
  auto* w = static_cast<word*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  *w = 1;
  CHECK(wait(w, 2) == -EAGAIN);
  CHECK_FALSE(site_passed);
  site_call(SYS_mprotect, w, 4096, PROT_NONE);
  CHECK(wait(w, 1) == -EFAULT);
  site_call(SYS_mprotect, w, 4096, PROT_READ);
  CHECK(wait(w, 2) == -EAGAIN);
  site_call(SYS_munmap, w, 4096);
  CHECK(wait(w, 1) == -EFAULT);
}

TEST_CASE("a futex wait parks its fiber; wakes come in the order of the waits and are counted") {
  waiters w;
  const word here = 5, there = 5;
  for (const char name : {'a', 'b', 'c', 'd'}) w.add(&here, name);
  w.add(&there, 'x');
  const auto before = parks();
  CHECK(wake(&here, 1) == 1);
  CHECK(w.after() == "a");
  CHECK(wake(&here, 2) == 2);
  CHECK(w.after() == "bc");
  CHECK(wake(&here, 9) == 1);
  CHECK(w.after() == "d");
  CHECK(wake(&here, 9) == 0);
  CHECK(wake(&there, INT_MAX) == 1);
  CHECK(w.after() == "x");
  CHECK(parks() > before);
}

TEST_CASE("as in the kernel, a wake of nobody wakes one") {
  waiters w;
  const word here = 0;
  for (const char name : {'a', 'b', 'c'}) w.add(&here, name);
  CHECK(wake(&here, 0) == 1);
  CHECK(w.after() == "a");
  CHECK(wake(&here, -3) == 1);
  CHECK(w.after() == "b");
  CHECK(wake(&here, 1) == 1);
  CHECK(w.after() == "c");
}

TEST_CASE("bits select who is woken") {
  waiters w;
  const word here = 0;
  w.add(&here, 'a', 1);
  w.add(&here, 'b', 2);
  w.add(&here, 'c', 3);
  CHECK(futex(&here, FUTEX_WAKE_BITSET_PRIVATE, 9, nullptr, nullptr, 4) == 0);
  CHECK(futex(&here, FUTEX_WAKE_BITSET_PRIVATE, 9, nullptr, nullptr, 2) == 2);
  CHECK(w.after() == "bc");
  CHECK(wake(&here, 9) == 1);
  CHECK(w.after() == "a");
}

TEST_CASE("requeue wakes some, moves others, and counts both") {
  waiters w;
  const word from = 3, to = 4;
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) w.add(&from, name);
  w.add(&to, 'x');
  CHECK(futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 1, number(2), &to, 9) == -EAGAIN);
  CHECK(w.after() == "");
  CHECK(futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 1, number(2), &to, 3) == 3);
  CHECK(w.after() == "a");
  CHECK(wake(&from, 1) == 1);
  CHECK(w.after() == "d");
  CHECK(wake(&to, 9) == 3);
  CHECK(w.after() == "xbc");
  CHECK(futex(&from, FUTEX_REQUEUE_PRIVATE, 0, number(INT_MAX), &to) == 1);
  CHECK(wake(&from, 9) == 0);
  CHECK(wake(&to, 9) == 1);
  CHECK(w.after() == "e");
}

TEST_CASE("a moved wait still ends at its deadline") {
  weft::testing::virtual_clock clock;
  const word from = 0, to = 0;
  const timespec limit{2, 0};
  auto f = weft::spawn([&] { return futex(&from, FUTEX_WAIT_PRIVATE, 0, &limit); });
  weft::testing::wait_all_blocked();
  CHECK(futex(&from, FUTEX_REQUEUE_PRIVATE, 0, number(1), &to) == 1);
  CHECK(f.get() == -ETIMEDOUT);
  CHECK(clock.elapsed() == 2s);
  CHECK(wake(&to, 1) == 0);
}

TEST_CASE("wake-op changes the second word and wakes on it when the comparison says so") {
  waiters w;
  word a = 0, b = 5;
  for (const char name : {'a', 'b'}) w.add(&a, name);
  for (const char name : {'x', 'y'}) w.add(&b, name);
  CHECK(futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, number(9), &b, FUTEX_OP(FUTEX_OP_ADD, 2, FUTEX_OP_CMP_EQ, 6)) == 1);
  CHECK(b == 7);
  CHECK(w.after() == "a");
  CHECK(futex(&a, FUTEX_WAKE_OP_PRIVATE, 9, number(9), &b, FUTEX_OP(FUTEX_OP_ANDN, 3, FUTEX_OP_CMP_GE, 7)) == 3);
  CHECK(b == 4);
  CHECK(w.after() == "bxy");
  struct step {
    word operation, before, after;
  };
  for (const step s : {step{FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_NE, 0), 4, 9}, step{FUTEX_OP(FUTEX_OP_OR, 6, FUTEX_OP_CMP_LT, 0), 9, 15},
                       step{FUTEX_OP(FUTEX_OP_XOR, 5, FUTEX_OP_CMP_LE, 0), 15, 10},
                       step{word(FUTEX_OP(FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_EQ, 0)), 10, 26},
                       step{FUTEX_OP(FUTEX_OP_ADD, 0xfff, FUTEX_OP_CMP_EQ, 0), 26, 25}}) {
    word here = s.before, natively = s.before;
    CHECK(futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, number(1), &here, s.operation) == 0);
    weft::sys::raw(SYS_futex, &a, FUTEX_WAKE_OP_PRIVATE, 1, 1L, &natively, s.operation);
    CHECK(here == s.after);
    CHECK(natively == s.after);
  }
}

TEST_CASE("timeouts: relative ones by the hub's clock, absolute ones by the monotonic or the wall clock") {
  site_companion c;
  weft::testing::virtual_clock clock;
  const word w = 1;
  timespec t{1, 500'000'000};
  CHECK(futex(&w, FUTEX_WAIT_PRIVATE, 1, &t) == -ETIMEDOUT);
  CHECK(clock.elapsed() == 1500ms);
  CHECK_FALSE(site_passed);
  for (const int id : {CLOCK_MONOTONIC, CLOCK_REALTIME}) {
    ::clock_gettime(id, &t);
    t.tv_sec += 1000;
    const auto before = clock.elapsed();
    CHECK(futex(&w, FUTEX_WAIT_BITSET_PRIVATE | (id == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0), 1, &t, nullptr, 1) == -ETIMEDOUT);
    CHECK(clock.elapsed() - before > 990s);
    CHECK(clock.elapsed() - before <= 1000s);
  }
  // A wake in time.
  const timespec long_time{3600, 0};
  auto f = weft::spawn([&] { return futex(&w, FUTEX_WAIT_PRIVATE, 1, &long_time); });
  weft::this_fiber::sleep_for(1s);
  CHECK(wake(&w, 1) == 1);
  CHECK(f.get() == 0);
}

TEST_CASE("a futex wait is never cancelled") {
  const word w = 1;
  timespec no_time{0, 1};
  auto f = weft::spawn([&] {
    const long first = futex(&w, FUTEX_WAIT_PRIVATE, 1);
    return first * 1000 + site_call(SYS_nanosleep, &no_time, nullptr);
  });
  weft::testing::wait_all_blocked();
  f.cancel();
  weft::testing::wait_all_blocked();
  CHECK_FALSE(f.done());
  CHECK(wake(&w, 1) == 1);
  CHECK(f.get() == -ECANCELED);  // the sleep after it
}

TEST_CASE("wakes meet native threads and fibers of other hubs alike, and count them together") {
  site_companion c;
  static word w;
  w = 0;
  std::atomic<int> woken{0}, ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      ++ready;
      weft::sys::raw(SYS_futex, &w, FUTEX_WAIT_PRIVATE, 0, nullptr);
      ++woken;
    });
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      site_companion other;
      ++ready;
      woken += wait(&w, 0) == 0 ? 1 : 100;
    });
  auto here = weft::spawn([&] { woken += wait(&w, 0) == 0 ? 1 : 100; });
  while (ready < 5) weft::this_fiber::sleep_for(1ms);
  int counted = 0;
  // Those who said that they are ready may not wait yet: all are woken in the end, and counted once each.
  while (woken < 6) {
    counted += static_cast<int>(wake(&w, counted % 2 == 0 ? 1 : 2));
    weft::this_fiber::sleep_for(1ms);
  }
  here.join();
  for (auto& t : threads) t.join();
  CHECK(woken == 6);
  CHECK(counted == 6);
}

TEST_CASE("a native thread without a hub wakes a parked fiber, also one that a signal handler interrupts") {
  site_companion c;
  static std::atomic<word> w{0};
  w = 0;
  auto f = weft::spawn([&] { return wait(reinterpret_cast<const word*>(&w), 0); });
  weft::testing::wait_all_blocked();
  long woken = 0;
  std::thread other([&] { woken = wake(reinterpret_cast<const word*>(&w), 1); });
  CHECK(f.get() == 0);
  other.join();
  CHECK(woken == 1);
}

TEST_CASE("a signal handler's wake reaches fibers of the thread that it interrupts") {
  site_companion c;
  static word w;
  w = 0;
  struct sigaction action {}, before {};
  action.sa_handler = [](int) { wake(&w, 1); };
  ::sigaction(SIGUSR1, &action, &before);
  weft::io::adopt_actions();  // as patch_all does
  int turns = 0;
  auto f = weft::spawn([&] {
    while (turns < 20000)
      if (wait(&w, 0) == 0) ++turns;
  });
  std::atomic<bool> stop{false};
  const pthread_t self = ::pthread_self();
  // Its signals land anywhere, inside the table's locks too.
  std::thread sender([&] {
    while (!stop) {
      ::pthread_kill(self, SIGUSR1);
      std::this_thread::sleep_for(20us);
    }
  });
  while (turns < 20000) {
    wake(&w, 1);
    weft::this_fiber::yield();
  }
  stop = true;
  sender.join();
  f.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  CHECK(turns == 20000);
}

TEST_CASE("a wake and a deadline at the same moment: the wake counts as seen") {
  // Native wakers race the timers of a hub: a wake that was counted must have ended one wait with 0.
  static word w;
  w = 0;
  std::atomic<bool> stop{false};
  std::atomic<long> counted{0};
  std::thread waker([&] {
    while (!stop) counted += wake(&w, 1);
  });
  long ended = 0, late = 0;
  std::vector<weft::fiber<>> fibers;
  for (int i = 0; i < 8; ++i)
    fibers.push_back(weft::spawn([&, i] {
      for (int n = 0; n < 400; ++n) {
        const timespec t{0, 1000 * (i + n % 7)};
        const long got = futex(&w, FUTEX_WAIT_PRIVATE, 0, &t);
        (got == 0 ? ended : late) += 1;
        if (got != 0 && got != -ETIMEDOUT) FAIL("neither woken nor late: " << got);
      }
    }));
  weft::joinall(fibers);
  stop = true;
  waker.join();
  CHECK(ended + late == 3200);
  CHECK(counted == ended);
}

TEST_CASE("a child of fork knows the fibers of its own thread only") {
  site_companion c;
  static word w;
  w = 0;
  std::atomic<bool> ready{false};
  std::thread other([&] {
    site_companion more;
    auto parked = weft::spawn([&] { wait(&w, 0); });
    weft::testing::wait_all_blocked();
    ready = true;
    parked.join();
  });
  while (!ready) weft::this_fiber::sleep_for(1ms);
  auto mine = weft::spawn([&] { return wait(&w, 0); });
  weft::testing::wait_all_blocked();
  const long pid = site_call(SYS_fork);
  if (pid == 0) {
    ::alarm(50);
    const bool right = wake(&w, 9) == 1 && mine.get() == 0;
    ::_exit(right ? 0 : 1);
  }
  int status = -1;
  while (weft::sys::raw(SYS_wait4, pid, &status, 0, nullptr) == -EINTR) {
  }
  CHECK(status == 0);
  CHECK(wake(&w, 9) == 2);
  mine.join();
  other.join();
}

TEST_CASE("futex_waitv: the index of whoever was woken, all values compared first, errors the kernel's") {
  site_companion c;
  word words[6] = {1, 2, 3, 4, 5, 6};
  futex_waitv vector[6] = {};
  for (unsigned i = 0; i < 6; ++i) {
    vector[i].uaddr = reinterpret_cast<std::uint64_t>(&words[i]);
    vector[i].val = words[i];
    vector[i].flags = 2 | FUTEX_PRIVATE_FLAG;
  }
  auto waitv = [&](long count, const timespec* limit = nullptr, int clock = CLOCK_MONOTONIC, long flags = 0) {
    return site_call(SYS_futex_waitv, &vector[0], count, flags, limit, clock);
  };
  for (const long count : {2L, 6L}) {
    auto f = weft::spawn([&] { return waitv(count); });
    weft::testing::wait_all_blocked();
    CHECK(wake(&words[count - 1], 9) == 1);
    CHECK(f.get() == count - 1);
    CHECK(wake(&words[0], 9) == 0);  // it waits nowhere any more
  }
  vector[1].val = 9;
  CHECK(waitv(6) == -EAGAIN);
  CHECK_FALSE(site_passed);
  vector[1].val = 2;
  const timespec past{0, 0};
  for (const int clock : {CLOCK_MONOTONIC, CLOCK_REALTIME}) CHECK(waitv(6, &past, clock) == -ETIMEDOUT);
  CHECK_FALSE(site_passed);
  auto same = [&](auto... args) {
    const long natively = weft::sys::raw(SYS_futex_waitv, args...);
    CHECK(natively < 0);
    CHECK(site_call(SYS_futex_waitv, args...) == natively);
  };
  same(&vector[0], 0, 0, &past, CLOCK_MONOTONIC);
  same(&vector[0], 129, 0, &past, CLOCK_MONOTONIC);
  same(&vector[0], 1, 1, &past, CLOCK_MONOTONIC);
  same(&vector[0], 1, 0, &past, CLOCK_BOOTTIME);
  same(number(8), 1, 0, &past, CLOCK_MONOTONIC);
  same(&vector[0], 1, 0, number(8), CLOCK_MONOTONIC);
  vector[0].flags = FUTEX_PRIVATE_FLAG;
  same(&vector[0], 1, 0, &past, CLOCK_MONOTONIC);
  vector[0].flags = 2 | FUTEX_PRIVATE_FLAG;
  vector[0].uaddr += 1;
  same(&vector[0], 1, 0, &past, CLOCK_MONOTONIC);
  vector[0].uaddr = 64;
  same(&vector[0], 1, 0, &past, CLOCK_MONOTONIC);
}
