// weft ps and bt upon programs that use the API: fibers, tasks, several hubs, a hub that is blocked.
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
  CHECK(has(line_with(ps, " blocked "), "the kernel, in read: nobody else of its hub can run"));
  CHECK(has(line_with(ps, " reader "), "read on " + fd + " (pipe)"));
  CHECK(has(line_with(ps, " joiner "), "(reader)"));
  CHECK(has(line_with(ps, " unborn "), "not begun"));
  CHECK(has(line_with(ps, " elsewhere "), "sleep, "));
  CHECK(count_of(ps, "  task  ") == 1);

  // The look before has interrupted main's read, into which it goes back when it gets a processor.
  const std::string bt = ask_until({"bt", s.id()}, [](const std::string& out) { return has(out, "blocked in the kernel, in read: "); });
  CAPTURE(bt);
  // Those of both hubs stand alike.
  CHECK(has(paragraph_with(bt, "31 fibers:"), "wait_like_a_worker"));
  const std::string task = paragraph_with(bt, "task 0x");
  CHECK(has(task, "await #0  innermost_task, line "));
  CHECK(has(task, "await #1  outer_task, line "));
  CHECK(has(bt, "blocked in the kernel, in read: nobody else of its hub can run\n"));
  CHECK(has(bt, "  read_and_block_all  "));
  CHECK(has(weft_test::weft({"bt", s.id(), "elsewhere"}).out, "wait_like_a_worker"));
  CHECK(weft_test::weft({"bt", s.id(), "no such"}).exit_code == 1);
  CHECK(s.end() == 0);
  CHECK(has(s.said, "all well"));
}
