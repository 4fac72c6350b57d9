// How things end badly or at all: unobserved failures, deadlocks, the end of main, exit, stacks that overflow or run out.
// Seen from outside, in child processes of this very program.
#include <doctest/doctest.h>

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include "child.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

#if defined(__SANITIZE_THREAD__)
#define WEFT_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TEST_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WEFT_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_TEST_ASAN 1
#endif
#endif

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;
using weft_test::child_result;
using weft_test::run_self;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// For children that end with fibers which are not unwound: what those own is meant to be left.
const char no_leak_check[] = "ASAN_OPTIONS=detect_leaks=0";

struct says {
  const char* words;
  ~says() {
    std::puts(words);
    std::fflush(stdout);
  }
};

}  // namespace

// ---- failures that nobody asks about

TEST_CASE("failures are dropped" * doctest::skip()) {
  weft::spawn({.name = "bad apple"}, [] { throw std::runtime_error("rotten"); });
  weft::spawn([] { throw 42; });
  weft::testing::wait_all_blocked();
  auto asked = weft::spawn([] { throw std::runtime_error("asked about"); });
  asked.join();
  CHECK(asked.exception() != nullptr);
  auto linked = weft::spawn([] { throw std::runtime_error("linked"); });
  linked.link([](weft::any_fiber) {});
  linked.join();
  weft::spawn([] { weft::this_fiber::current().kill(); });
  auto joined = weft::spawn([] { throw std::runtime_error("only joined"); });
  joined.join();
}

TEST_CASE("a failure that nobody asked about is reported with the fiber's name; a cancellation is none") {
  const child_result r = run_self("failures are dropped");
  CHECK(r.exit_code == 0);
  CHECK(has(r.err, "weft: fiber bad apple ended by an exception that nobody asked about: std::runtime_error: rotten\n"));
  CHECK(has(r.err, "weft: fiber (unnamed) ended by an exception that nobody asked about: int\n    spawned at "));
  CHECK(has(r.err, "only joined"));
  CHECK_FALSE(has(r.err, "asked about\n"));
  CHECK_FALSE(has(r.err, "linked"));
  CHECK(count(r.err, "nobody asked") == 3);
}

TEST_CASE("on_error gets what would be reported, and gives it back to the report when removed") {
  std::vector<std::string> seen;
  weft::on_error([&](const weft::unobserved_failure& f) {
    seen.push_back(std::string(f.fiber_name) + "|" + std::string(f.text));
    CHECK_THROWS_AS(std::rethrow_exception(f.exception), std::logic_error);
  });
  weft::spawn({.name = "x"}, [] { throw std::logic_error("handled"); });
  weft::testing::wait_all_blocked();
  auto kept = weft::spawn([] { throw std::logic_error("late"); });
  weft::testing::wait_all_blocked();
  CHECK((seen == std::vector<std::string>{"x|std::logic_error: handled"}));
  kept = {};  // only now is it certain that nobody asks
  CHECK(seen.size() == 2);
  CHECK(seen.back() == "|std::logic_error: late");
  weft::on_error({});
}

// ---- deadlock

TEST_CASE("main waits for what cannot come" * doctest::skip()) {
  auto a = weft::spawn({.name = "stuck one"}, [] { sleep_for(std::chrono::hours::max()); });
  auto b = weft::spawn({.name = "stuck two"}, [&] { a.join(); });
  std::string text;
  try {
    b.join();
  } catch (const weft::deadlock& e) {
    text = e.what();
  }
  std::puts(text.c_str());
  // Told, not broken: it can go on, and is told again.
  int again = 0;
  for (int i = 0; i < 2; ++i) try { b.join(); } catch (const weft::deadlock&) { ++again; }
  a.cancel();
  b.join();
  CHECK(again == 2);
  CHECK(a.was_cancelled());
}

TEST_CASE("a deadlock throws in main, and lists who waits for what") {
#ifdef WEFT_TEST_TSAN
  return;  // its run-time has a thread of its own, so a deadlock is never certain
#endif
  const child_result r = run_self("main waits for what cannot come");
  CHECK(r.exit_code == 0);
  CAPTURE(r.out);
  CHECK(has(r.out, "deadlock: nothing is runnable and nothing could wake main, which waits in join"));
  CHECK(has(r.out, "\"stuck one\": parked in sleep for "));
  CHECK(has(r.out, "\"stuck two\": parked in join for "));
}

TEST_CASE("no deadlock is thrown while another OS thread may post") {
  const weft::hub home = weft::this_hub();
  auto f = weft::spawn([] { sleep_for(std::chrono::hours::max()); });
  weft::this_fiber::yield();
  bool parked = false;
  std::thread t([&] {
    // Long enough for the hub to have found nothing to do; whether it has does not change the outcome.
    for (int i = 0; i < 1'000; ++i) std::this_thread::yield();
    home.post([&] {
      parked = !f.done();
      f.cancel();
    });
  });
  CHECK_NOTHROW(f.join());
  CHECK(parked);
  t.join();
}

TEST_CASE("only another thread could wake this" * doctest::skip()) {
  auto f = weft::spawn({.name = "waits for a thread"}, [] { sleep_for(std::chrono::hours::max()); });
  const weft::hub home = weft::this_hub();
  std::signal(SIGUSR1, [](int) {});
  const pthread_t hub_thread = pthread_self();
  std::thread t([&] {
    // Interruptions of its wait do not make the hub suspicious.
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(20ms);
      pthread_kill(hub_thread, SIGUSR1);
    }
    std::fputs("interrupted\n", stderr);
    // As long as it takes: this is the one test that must wait for real.
    std::this_thread::sleep_for(6s);
    home.post([&] { f.cancel(); });
  });
  f.join();
  t.join();
}

TEST_CASE("when only another OS thread could help, that is reported once, and waiting goes on") {
  const child_result r = run_self("only another thread could wake this");
  CHECK(r.exit_code == 0);
  const std::string words = "every fiber is parked, and only another OS thread could wake one";
  CHECK(count(r.err, words) == 1);
  CHECK(r.err.find("interrupted\n") < r.err.find(words));
  CHECK(has(r.err, "\"waits for a thread\": parked in sleep"));
}

// ---- the end of main

TEST_CASE("main returns with fibers left" * doctest::skip()) {
  std::atexit([] { std::puts("atexit"); });
  weft::spawn([] {
    says s{"unwound"};
    sleep_for(1h);
  });
  weft::spawn([] {
    says s{"unwound after parking"};
    struct parks {
      ~parks() { sleep_for(1ms); }
    } p;
    sleep_for(1h);
  });
  weft::this_fiber::yield();
  weft::spawn([] { std::puts("never begins"); });
}

TEST_CASE("when main returns the other fibers are cancelled and joined") {
  const child_result r = run_self("main returns with fibers left");
  CHECK(r.exit_code == 0);
  CHECK(has(r.out, "unwound\n"));
  CHECK(has(r.out, "unwound after parking\n"));
  CHECK(has(r.out, "atexit"));
  CHECK(r.out.find("unwound after parking") < r.out.find("atexit"));
  CHECK_FALSE(has(r.out, "never begins"));
  CHECK_FALSE(has(r.err, "did not end"));
}

TEST_CASE("main returns with fibers that do not end" * doctest::skip()) {
  weft::spawn({.name = "stubborn"}, [] {
    for (;;) try { sleep_for(1h); } catch (const weft::cancelled&) { weft::shield([] { sleep_for(1h); }); }
  });
  for (int i = 0; i < 30; ++i) weft::spawn([] { weft::shield([] { sleep_for(1h); }); });
  weft::this_fiber::yield();
}

TEST_CASE("fibers that do not end within the grace period are reported") {
  const child_result r = run_self("main returns with fibers that do not end", {"WEFT_GRACE_MS=20", no_leak_check});
  CHECK(r.exit_code == 0);
  CHECK(has(r.err, "31 fiber(s) did not end within the grace period after being cancelled:\n"));
  CHECK(has(r.err, "..."));
  CHECK(has(r.err, "(it is 20 ms: WEFT_GRACE_MS; "));
  CHECK(count(r.err, "\n") < 30);
}

TEST_CASE("exit is called in a fiber" * doctest::skip()) {
  weft::spawn([] {
    says s{"unwound"};
    sleep_for(1h);
  });
  weft::this_fiber::yield();
  std::atexit([] { std::puts("atexit"); });
  weft::spawn([] {
    says s{"own frame"};
    std::exit(7);
  }).join();
}

TEST_CASE("exit in a fiber ends the process with its status, runs atexit, and unwinds no fiber") {
  const child_result r = run_self("exit is called in a fiber", {no_leak_check});
  CHECK(r.exit_code == 7);
  CHECK(has(r.out, "atexit"));
  CHECK_FALSE(has(r.out, "unwound"));
  CHECK_FALSE(has(r.out, "own frame"));
}

// ---- stacks

#if !defined(WEFT_TEST_ASAN) && !defined(WEFT_TEST_TSAN)  // they take the signal, and the address space

namespace {
// Two kilobytes of stack a level; down for ever from n > 0.
int dig(int n) {
  volatile char frame[2048];
  frame[0] = static_cast<char>(n);
  const int below = n == 0 ? 0 : dig(n + 1);
  asm volatile("" : : "r"(&frame[0]) : "memory");  // or recursion becomes a loop
  return below;
}
}  // namespace

TEST_CASE("a fiber recurses for ever" * doctest::skip()) {
  weft::spawn({.name = "deep thought", .stack_size = 64 * 1024}, [] { return dig(1); }).get();
}

TEST_CASE("a stack overflow names the fiber, its stack's size and what to set") {
  for (const char* without : {"WEFT_WITHOUT=none", "WEFT_WITHOUT=guard"}) {
    const child_result r = run_self("a fiber recurses for ever", {without});
    CHECK((r.signal != 0 || r.exit_code != 0));
    CHECK(has(r.err, "weft: stack overflow in fiber deep thought: its stack has 64 KiB. Give it more by spawn_options::stack_size, "
                     "or raise the default by WEFT_STACK_SIZE=1M.\n"));
  }
}

TEST_CASE("a fiber needs half a megabyte" * doctest::skip()) {
  weft::spawn([] {
    dig(-240);
    std::puts("fits");
  }).get();
}

TEST_CASE("WEFT_STACK_SIZE sets the default size of stacks") {
  CHECK(run_self("a fiber needs half a megabyte", {"WEFT_STACK_SIZE=1M"}).out.find("fits") != std::string::npos);
  CHECK(has(run_self("a fiber needs half a megabyte", {"WEFT_STACK_SIZE"}).err, "its stack has 256 KiB"));
}

TEST_CASE("the program faults elsewhere" * doctest::skip()) {
  struct sigaction mine {};
  mine.sa_handler = [](int) { _exit(33); };
  sigaction(SIGSEGV, &mine, nullptr);
  weft::spawn([] {
    volatile std::uintptr_t nowhere = 8;
    *reinterpret_cast<volatile int*>(nowhere) = 1;
  }).get();
}

TEST_CASE("a fault that is no overflow goes to the program's own handler") {
  const child_result r = run_self("the program faults elsewhere");
  CHECK(r.exit_code == 33);
  CHECK_FALSE(has(r.err, "overflow"));
}

TEST_CASE("the address space runs out" * doctest::skip()) {
  weft::this_hub();
  rlimit limit{400u << 20, 400u << 20};
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  std::vector<weft::fiber<>> fibers;
  fibers.reserve(10'000);
  bool refused = false;
  for (int i = 0; i < 10'000 && !refused; ++i) try {
      fibers.push_back(weft::spawn([] { sleep_for(1h); }));
      weft::this_fiber::yield();
    } catch (const weft::out_of_stacks& e) {
      refused = true;
      CHECK(std::string(e.what()).find("RLIMIT_AS") != std::string::npos);
    }
  CHECK(refused);
  CHECK(fibers.size() > 300);
  // What runs goes on, and a stack that comes back can be used again.
  fibers.back().kill();
  CHECK(weft::spawn([] { return 5; }).get() == 5);
  CHECK(weft::killall(fibers));
}

TEST_CASE("spawn without memory throws out_of_stacks, with a report, and the rest goes on") {
  const child_result r = run_self("the address space runs out");
  CAPTURE(r.out);
  CHECK(r.exit_code == 0);
  CHECK(count(r.err, "no address space left for another fiber stack") == 1);
}

TEST_CASE("fibers are spawned before the stacks run out" * doctest::skip()) {
  weft::this_hub();
  rlimit limit{400u << 20, 400u << 20};
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  std::vector<weft::fiber<>> fibers;
  fibers.reserve(3'000);
  for (int i = 0; i < 3'000; ++i) fibers.push_back(weft::spawn([] { sleep_for(1h); }));  // none has a stack yet
  weft::this_fiber::yield();
  int failed = 0, parked = 0;
  for (auto& f : fibers) {
    if (!f.done())
      ++parked;
    else if (f.exception() != nullptr) {
      ++failed;
      CHECK_THROWS_AS(f.get(), weft::out_of_stacks);
    }
  }
  CHECK(parked > 300);
  CHECK(failed > 300);
  CHECK(parked + failed == 3'000);
  CHECK(weft::killall(fibers));
  CHECK(weft::this_hub().stats().stacks == 0);
}

TEST_CASE("detached fibers get no stack, and who hears of it parks" * doctest::skip()) {
  weft::this_hub();
  rlimit limit{400u << 20, 400u << 20};
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
  int told = 0, refused = 0;
  weft::on_error([&](const weft::unobserved_failure& f) {
    CHECK(std::string(f.text).find("weft::out_of_stacks") == 0);
    ++told;
    // Told in the middle of a switch: there is no fiber here that could wait.
    try { weft::this_fiber::yield(); } catch (const weft::would_block_hub&) { ++refused; }
  });
  for (int i = 0; i < 3'000; ++i) weft::spawn([] { sleep_for(1h); });
  weft::this_fiber::yield();
  CHECK(told > 300);
  CHECK(refused == told);
  weft::on_error({});
}

TEST_CASE("a failure for want of a stack is reported where nothing can park") {
  const child_result r = run_self("detached fibers get no stack, and who hears of it parks");
  CAPTURE(r.out);
  CHECK(r.exit_code == 0);
}

TEST_CASE("a fiber that gets no stack when its turn comes fails with out_of_stacks") {
  const child_result r = run_self("fibers are spawned before the stacks run out");
  CAPTURE(r.out);
  CHECK(r.exit_code == 0);
}

#endif

TEST_CASE("helper: fibers in a program whose calls are not rewritten" * doctest::skip()) {
  weft::spawn([] {}).join();
}

TEST_CASE("a program that is to be audited and cannot be says so") {
  const char* helper = "helper: fibers in a program whose calls are not rewritten";
  const auto audited = weft_test::run_self(helper, {"WEFT_AUDIT=1"});
  CHECK(audited.exit_code == 0);
  CHECK(audited.err.find("was not audited: its system calls are not rewritten (no patch_all() in it, no shim)\n") != std::string::npos);
  CHECK(weft_test::run_self(helper, {"WEFT_AUDIT=0"}).err.find("audit") == std::string::npos);
  CHECK(weft_test::run_self(helper, {"WEFT_AUDIT"}).err.find("audit") == std::string::npos);
}
