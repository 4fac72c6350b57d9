// weft ps and bt upon programs that use the API: fibers, tasks, several hubs, a hub that is blocked.
#include <mutex>

#include "looked_at.hpp"
#include "weft/weft.hpp"

using namespace std::chrono_literals;
using namespace weft_test;

// Exported, and never inlined: backtraces are to name them.
extern "C" {
[[gnu::noinline]] void wait_like_a_worker() {
  weft::this_fiber::sleep_for(1h);
  asm volatile("" ::: "memory");
}
[[gnu::noinline]] void read_and_block_all() {
  char c;
  if (::read(0, &c, 1) < 0) std::abort();
  asm volatile("" ::: "memory");
}
}

namespace {

weft::task<> innermost_task() { co_await weft::async::sleep_for(1h); }
weft::task<> outer_task() { co_await innermost_task(); }

}  // namespace

TEST_CASE("subject: fibers, tasks and a second hub" * doctest::skip()) {
  alarm(50);
  std::thread second([] {
    weft::spawn({.name = "elsewhere"}, [] { wait_like_a_worker(); });
    weft::this_fiber::sleep_for(1h);
  });
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  std::vector<weft::fiber<>> all;
  for (int i = 0; i < 30; ++i) all.push_back(weft::spawn([] { wait_like_a_worker(); }));
  auto reader = weft::spawn({.name = "reader"}, [&] {
    char c;
    weft::read(ends[0], &c, 1);
  });
  auto joiner = weft::spawn({.name = "joiner"}, [&] { reader.join(); });
  auto task = weft::spawn(outer_task());
  weft::this_fiber::yield();
  auto unborn = weft::spawn({.name = "unborn"}, [] {});
  say("fd " + std::to_string(ends[0]) + " \n");
  read_and_block_all();  // with the kernel: nobody of this hub can run
  say("all well\n");
  _exit(0);
}

TEST_CASE("fibers of all kinds are told, on every hub, and what blocks one") {
  subject s("subject: fibers, tasks and a second hub");
  REQUIRE(s.says(" \n"));
  const std::string fd = s.said.substr(s.said.find("fd ") + 3, s.said.find(" \n") - s.said.find("fd ") - 3);
  const std::string ps = ask_until({"ps", s.id()}, [](const std::string& out) {
    return has(out, " blocked ") && has(line_with(out, " elsewhere "), "parked");
  });
  CAPTURE(ps);
  CHECK(has(ps, "37 fibers on 2 OS threads: "));
  CHECK(has(line_with(ps, " blocked "), "the kernel, in read on 0 (pipe): nobody else of its hub can run"));
  CHECK(has(line_with(ps, " reader "), "read on " + fd + " (pipe)"));
  CHECK(has(line_with(ps, " joiner "), "(reader)"));
  CHECK(has(line_with(ps, " unborn "), "not begun"));
  CHECK(has(line_with(ps, " elsewhere "), "sleep, "));
  CHECK(count_of(ps, "  task  ") == 1);
  // A line for many says what a line for one does.
  const std::string groups = weft_test::weft({"ps", "--group", s.id()}).out;
  CAPTURE(groups);
  const std::string joiner = line_with(ps, " joiner ");
  CHECK(has(joiner, "the end of 0x"));
  CHECK(has(line_with(groups, " joiner "), joiner.substr(joiner.find("the end of "))));

  // The look before has interrupted main's read, into which it goes back when it gets a processor.
  const std::string bt = ask_until({"bt", s.id()}, [](const std::string& out) { return has(out, "blocked in the kernel, in read on "); });
  CAPTURE(bt);
  // Those of both hubs stand alike.
  CHECK(has(paragraph_with(bt, "31 fibers:"), "wait_like_a_worker"));
  const std::string task = paragraph_with(bt, "task 0x");
  CHECK(has(task, "await #0  innermost_task, line "));
  CHECK(has(task, "await #1  outer_task, line "));
  CHECK(has(bt, "blocked in the kernel, in read on 0 (pipe): nobody else of its hub can run\n"));
  CHECK(has(bt, "  read_and_block_all  "));
  CHECK(has(paragraph_with(bt, "\"joiner\""), "parked, waiting for the end of 0x"));
  // What called their function, and what switched away, is nothing of the program's.
  CHECK(!has(paragraph_with(bt, "31 fibers:"), "weft::detail::fiber_with_body"));
  CHECK(!has(bt, "__libc_start"));
  const std::string whole = weft_test::weft({"bt", "--whole", s.id()}).out;
  CAPTURE(whole);
  CHECK(has(whole, "weft::detail::"));
  CHECK(has(whole, "__libc_start"));
  CHECK(has(weft_test::weft({"bt", s.id(), "elsewhere"}).out, "wait_like_a_worker"));
  CHECK(weft_test::weft({"bt", s.id(), "no such"}).exit_code == 1);
  CHECK(s.end() == 0);
  CHECK(has(s.said, "all well"));
}

TEST_CASE("subject: a server of Weft's waits for connections" * doctest::skip()) {
  alarm(50);
  weft::stream_server server(weft::listener("127.0.0.1", 0), [](weft::stream) {});
  server.start();
  weft::this_fiber::yield();
  say("here \n");
  wait_for_the_end();
  _exit(0);
}

TEST_CASE("a fiber of Weft's own making stands where a program could have called it") {
  subject s("subject: a server of Weft's waits for connections");
  REQUIRE(s.says(" \n"));
  const std::string bt = weft_test::weft({"bt", s.id()}).out;
  CAPTURE(bt);
  CHECK(has(bt, "#0  weft::"));
  for (const char* inside : {"wait_fd", "park_with_care", "swap_stacks", "run_body"}) CHECK(!has(bt, inside));
  CHECK(s.end() == 0);
}

TEST_CASE("subject: fibers and std::mutex" * doctest::skip()) {
  alarm(50);
  if (weft::patch_all().sites_patched == 0) std::abort();
  std::mutex left, right;
  auto lefty = weft::spawn({.name = "lefty"}, [&] {
    left.lock();
    weft::this_fiber::yield();
    right.lock();
  });
  auto righty = weft::spawn({.name = "righty"}, [&] {
    right.lock();
    weft::this_fiber::yield();
    left.lock();
  });
  auto free = weft::spawn({.name = "free"}, [] {
    char c;
    if (read(0, &c, 1) != 1) std::abort();
  });
  say("left " + std::to_string(reinterpret_cast<std::uintptr_t>(&left)) + " \n");
  lefty.join();
}

TEST_CASE("a std::mutex is held by the OS thread, and all of its fibers together are deadlocked when none can go on") {
  subject s("subject: fibers and std::mutex");
  REQUIRE(s.says(" \n"));
  const std::string held = " held by a fiber of OS thread " + s.id();
  const std::string ps = ask_until({"ps", s.id()}, [&](const std::string& out) {
    return count_of(out, held) == 2 && has(line_with(out, " free "), "read on 0 (pipe)") && has(out, ": 4 parked");
  });
  CAPTURE(ps);
  CHECK(has(line_with(ps, " lefty "), held));
  CHECK(has(line_with(ps, " righty "), held));
  CHECK(!has(ps, "deadlock: "));  // it may be `free` that holds them
  const std::string json = weft_test::weft({"ps", "--json", s.id()}).out;
  CHECK(has(json, "\"held_by_os_thread\": \"" + s.id() + "\""));
  REQUIRE(write(s.input, "x", 1) == 1);
  const std::string all = ask_until({"ps", s.id()}, [&](const std::string& out) { return has(out, "deadlock: "); });
  CAPTURE(all);
  CHECK(count_of(all, "deadlock: none of these will ever go on\n") == 1);
  CHECK(count_of(all, " waits for the lock 0x") == 2);
  CHECK(count_of(all, ", which a fiber of OS thread " + s.id() + " holds\n") == 2);
  CHECK(has(line_with(all, " (main) waits for "), "the end of 0x"));
}

TEST_CASE("subject: fibers in a program that is run green" * doctest::skip()) {
  const int answer = weft::spawn([] { return 7; }).get();
  std::thread([] {}).join();
  _exit(answer);
}

TEST_CASE("a program that uses the API before it has a thread runs under weft run") {
  subject s("subject: fibers in a program that is run green", under_weft());
  CHECK(s.end() == 7);
}
