// What can be seen of fibers from inside: run_info, and the refusal to park where that is impossible.
#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <vector>

#include "child.hpp"
#include "weft/cancel.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/testing.hpp"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define WEFT_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define WEFT_TEST_SANITIZED 1
#endif
#endif

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

// Exported, so that dladdr finds its name.
extern "C" [[gnu::visibility("default"), gnu::noinline]] void a_function_that_parks() {
  sleep_for(1h);
  asm volatile("");
}

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The lines about the fiber of that name.
std::string about(const std::string& info, const std::string& name) {
  const auto at = info.find("\"" + name + "\"");
  if (at == std::string::npos) return {};
  const auto end = info.find("\nfiber ", at);
  return info.substr(at, end - at);
}

}  // namespace

TEST_CASE("run_info tells name, state, reason, age, spawn site and backtrace of every fiber") {
  weft::testing::virtual_clock clock;
  auto sleeper = weft::spawn({.name = "sleeper"}, [] { a_function_that_parks(); });
  auto joiner = weft::spawn({.name = "joiner"}, [&] { sleeper.join(); });
  weft::testing::wait_all_blocked();
  auto fresh = weft::spawn({.name = "fresh"}, [] {});
  sleep_for(0s);
  auto unborn = weft::spawn({.name = "unborn"}, [] {});
  clock.advance(90s);
  joiner.cancel();
  const std::string info = weft::run_info();
  CAPTURE(info);
  CHECK(has(info, "4 fibers on this hub, 1 timers, 0 descriptor waits, poller "));
  CHECK(has(about(info, "main"), ": running"));
  CHECK(has(about(info, "sleeper"), ": parked in sleep for 90."));
  CHECK(has(about(info, "sleeper"), "spawned at "));
  CHECK(has(about(info, "joiner"), ", cancelled"));
  CHECK(has(about(info, "unborn"), ": not begun"));
  CHECK(about(info, "fresh").empty());  // it is over
#ifndef WEFT_TEST_SANITIZED
  CHECK(has(about(info, "sleeper"), "a_function_that_parks"));
  CHECK(has(info, "(function and line: addr2line -Cfe core_run_info +0x"));
#endif
  weft::killall(std::vector<weft::any_fiber>{sleeper, joiner, unborn});
}

TEST_CASE("looking at a parked fiber any number of times does not wear it out") {
  weft::testing::virtual_clock clock;
  auto f = weft::spawn({.name = "looked at", .stack_size = 16 * 1024}, [] {
    a_function_that_parks();
    return 5;
  });
  weft::testing::wait_all_blocked();
  const std::string first = about(weft::run_info(), "looked at");
  for (int i = 0; i < 2'000; ++i) weft::run_info();
  CHECK(about(weft::run_info(), "looked at") == first);
  CHECK(f.get() == 5);
}

TEST_CASE("the age of a park is never absurd, also when a virtual clock went away") {
  weft::fiber<> f;
  {
    weft::testing::virtual_clock clock;
    clock.advance(24h * 365);
    weft::testing::wait_all_blocked();
    f = weft::spawn({.name = "from the future"}, [] { sleep_for(1h); });
    weft::testing::wait_all_blocked();
  }
  CHECK(has(about(weft::run_info(), "from the future"), " for 0.000 s"));
  f.kill();
}

TEST_CASE("run info is printed" * doctest::skip()) { weft::print_run_info(); }

TEST_CASE("print_run_info writes to standard error") {
  const auto r = weft_test::run_self("run info is printed");
  CHECK(has(r.err, "1 fibers on this hub"));
  CHECK(has(r.err, "\"main\": running"));
}

#if !defined(__SANITIZE_THREAD__)  // which dislikes exceptions in signal handlers, that is malloc
namespace {
int refusals = 0;
void parks_in_handler(int) {
  // Of the four ways to park none may leave the signal stack.
  try { sleep_for(1s); } catch (const weft::would_block_hub&) { ++refusals; }
  try { weft::this_fiber::yield(); } catch (const weft::would_block_hub&) { ++refusals; }
  try { weft::move_on_after(1s, [] { sleep_for(1h); }); } catch (const weft::would_block_hub&) { ++refusals; }
}
}  // namespace

TEST_CASE("parking on a signal stack throws would_block_hub, and the fiber goes on") {
  weft::this_hub();
  struct sigaction action {}, old {};
  action.sa_handler = parks_in_handler;
  action.sa_flags = SA_ONSTACK;
  sigaction(SIGUSR2, &action, &old);
  refusals = 0;
  auto f = weft::spawn([] {
    std::raise(SIGUSR2);
    weft::this_fiber::yield();
    return 1;
  });
  CHECK(f.get() == 1);
  CHECK(refusals == 3);
  sigaction(SIGUSR2, &old, nullptr);
  CHECK(weft::spawn([] { return 2; }).get() == 2);
}
#endif
