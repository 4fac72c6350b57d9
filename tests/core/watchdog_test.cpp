// The watchdog tells of fibers that hold their hub up, by computing or inside a system call, once a stall and once at its end.
#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>
#include <mutex>
#include <string>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <thread>
#include <vector>

#include "child.hpp"
#include "weft/watchdog.hpp"
#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

struct seen {
  bool over;
  int thread, system_call;
  std::chrono::nanoseconds lasted;
  std::string fiber, name, text;
};

// Collects what the watchdog tells, for the time of a test.
class listening {
public:
  explicit listening(std::chrono::nanoseconds limit) {
    weft::watchdog(limit, [this](const weft::stall& s) {
      const std::lock_guard guard(lock_);
      all_.push_back({s.over, s.thread, s.system_call, s.lasted, std::string(s.fiber), std::string(s.system_call_name),
                      std::string(s.text)});
      ++count_;
    });
  }
  ~listening() { weft::watchdog(0ns); }
  int count() const { return count_; }
  std::vector<seen> all() {
    const std::lock_guard guard(lock_);
    return all_;
  }

private:
  std::mutex lock_;
  std::vector<seen> all_;
  std::atomic<int> count_{0};
};

// What the first fiber that the watchdog told of was seen in. A machine that gives this process no time can hold anybody up, anywhere:
// asked again and again, until the stall is told of that `fits`.
template <class Run, class Fits>
std::vector<seen> told_of(Run run, Fits fits) {
  for (;;) {
    listening l(20ms);
    run(l);
    while (l.count() < 2) weft::this_fiber::sleep_for(1ms);
    if (auto all = l.all(); fits(all[0])) return all;
  }
}

[[gnu::noinline]] void compute_until_told(const listening& l, int count) {
  while (l.count() < count) asm volatile("");
}

}  // namespace

TEST_CASE("a fiber that computes is told of once, with its name and backtrace, and once when it parks") {
  std::size_t of_spinner = 0;
  const auto told = told_of(
      [&](listening& l) {
        weft::spawn({.name = "spinner"}, [&] { compute_until_told(l, 1); }).join();
        while (l.count() < 2) weft::this_fiber::sleep_for(1ms);
        weft::this_fiber::sleep_for(60ms);
        of_spinner = 0;
        for (const seen& s : l.all()) of_spinner += s.fiber == "spinner";
      },
      [](const seen& s) { return s.fiber == "spinner"; });
  CHECK(of_spinner == 1);
  CHECK_FALSE(told[0].over);
  CHECK(told[0].thread == gettid());
  CHECK(told[0].lasted >= 20ms);
  CHECK(told[0].system_call == -1);
  CHECK(told[0].name == "");
  CHECK(told[0].fiber == "spinner");
  CHECK(told[0].text.find("\"spinner\" computes\n") != std::string::npos);
  CHECK(told[0].text.find("spawned at ") != std::string::npos);
  CHECK(told[0].text.find("    #0 (core_watchdog+0x") != std::string::npos);  // compute_until_told, which exports no name
  CHECK(told[1].over);
  CHECK(told[1].thread == gettid());
  CHECK(told[1].lasted >= told[0].lasted);
}

TEST_CASE("a system call that blocks the thread is named, and is not disturbed") {
  const auto read_until_told = [](listening& l) {
    weft::spawn({.name = "pipe reader"}, [&] {
      int ends[2];
      REQUIRE(pipe(ends) == 0);
      std::thread writer([&] {
        while (l.count() < 1) std::this_thread::sleep_for(1ms);
        CHECK(write(ends[1], "x", 1) == 1);
      });
      char c = 0;
      CHECK(syscall(SYS_read, ends[0], &c, 1) == 1);
      writer.join();
      close(ends[0]);
      close(ends[1]);
    }).join();
  };
  const auto told = told_of(read_until_told, [](const seen& s) { return s.system_call == SYS_read; });
  CHECK(told[0].system_call == SYS_read);
  CHECK(told[0].name == "read");
  CHECK(told[0].fiber == "pipe reader");
  CHECK(told[0].text.find("waits in the system call read (0)") != std::string::npos);
  CHECK(told[0].text.find("weft::patch_all() was not called") != std::string::npos);
  CHECK(told[0].text.find("    #0 syscall (libc.so.6+0x") != std::string::npos);
  CHECK(told[0].text.find("    #1 (core_watchdog+0x") != std::string::npos);
}

TEST_CASE("a call that a signal would end for good goes on too") {
  const auto sleep_in_the_kernel = [](listening&) {
    weft::spawn([&] {
      timespec t{0, 100'000'000}, left{};
      CHECK(syscall(SYS_nanosleep, &t, &left) == 0);
    }).join();
  };
  const auto told = told_of(sleep_in_the_kernel, [](const seen& s) { return s.system_call == SYS_nanosleep; });
  CHECK(told[0].system_call == SYS_nanosleep);
  CHECK(told[1].over);
  CHECK(told[1].lasted >= told[0].lasted);  // that it slept its whole time is nanosleep's answer
}

TEST_CASE("a hub that sleeps, or has nothing but main, is left alone") {
  listening l(200ms);
  weft::this_fiber::sleep_for(300ms);
  std::this_thread::sleep_for(300ms);  // main alone: nobody waits
  auto f = weft::spawn([] {
    for (int i = 0; i < 60; ++i) weft::this_fiber::sleep_for(5ms);
  });
  f.join();
  // A hub that the machine gives no time for so long stands still, too: it is told of as computing.
  for (const seen& s : l.all()) CHECK((s.over || s.system_call == -1));
}

TEST_CASE("hubs of other threads are watched as well") {
  listening l(20ms);
  std::atomic<int> id{0};
  const auto of_other = [&] {
    for (const seen& s : l.all())
      if (s.thread == id.load()) return true;
    return false;
  };
  std::thread other([&] {
    id = gettid();
    weft::spawn([&] {
      for (int count = 1; !of_other(); ++count) compute_until_told(l, count);
    }).join();
    weft::this_fiber::sleep_for(1ms);
  });
  other.join();
  CHECK(of_other());
}

// Standard error is a pipe of this program's own meanwhile, so that it knows when the watchdog has spoken.
TEST_CASE("spins until it is told of" * doctest::skip()) {
  int ends[2];
  const int real = dup(2);
  REQUIRE(pipe(ends) == 0);
  REQUIRE(dup2(ends[1], 2) == 2);
  const auto said = [&] {
    int bytes = 0;
    return ioctl(ends[0], FIONREAD, &bytes) == 0 ? bytes : 0;
  };
  std::string text;
  while (text.find("\"slow\" computes") == std::string::npos || text.find("has turned again") == std::string::npos) {
    weft::spawn({.name = "slow"}, [&] { while (said() == 0) asm volatile(""); }).join();
    char part[4096];
    text.append(part, static_cast<std::size_t>(read(ends[0], part, sizeof part)));
  }
  dup2(real, 2);
  CHECK(write(2, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

TEST_CASE("WEFT_WATCHDOG reports on standard error") {
  const auto child = weft_test::run_self("spins until it is told of", {"WEFT_WATCHDOG=40"});
  CHECK(child.exit_code == 0);
  CHECK(child.err.find("weft: the hub of thread ") == 0);
  CHECK(child.err.find("\"slow\" computes") != std::string::npos);
  CHECK(child.err.find("has turned again, after ") != std::string::npos);
}

TEST_CASE("waits for what never comes" * doctest::skip()) {
  weft::event never;
  CHECK_THROWS_AS(never.wait(), weft::deadlock);
}

TEST_CASE("the watchdog's thread does not hide a deadlock") {
  const auto child = weft_test::run_self("waits for what never comes", {"WEFT_WATCHDOG=40"});
  CHECK(child.exit_code == 0);
}

TEST_CASE("forks under the watchdog" * doctest::skip()) {
  weft::spawn([] {}).join();
  const pid_t child = fork();
  if (child == 0) {
    listening l(20ms);
    weft::spawn([&] { compute_until_told(l, 1); }).join();
    _exit(l.all().at(0).thread == gettid() ? 0 : 1);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("a forked child can be watched again") {
  CHECK(weft_test::run_self("forks under the watchdog", {"WEFT_WATCHDOG=2000"}).exit_code == 0);
}
