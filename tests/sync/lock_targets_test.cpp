// What reports say of waits for locks and for ends: who holds what, and who waits in a circle.
#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "weft/async.hpp"
#include "weft/error.hpp"
#include "weft/fiber.hpp"
#include "weft/hub.hpp"
#include "weft/mutex.hpp"
#include "weft/shared_mutex.hpp"
#include "weft/task.hpp"
#include "weft/testing.hpp"

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string address_of(const void* p) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", p);
  return text;
}

// The first line that begins with a fiber of that name.
std::string line_of(const std::string& info, const std::string& name) {
  const auto at = info.find("\"" + name + "\": ");
  return at == std::string::npos ? "" : info.substr(at, info.find('\n', at) - at);
}

#ifdef __SANITIZE_THREAD__
constexpr bool alone = false;  // the sanitizer's own thread could unlock, for all the hub knows
#else
constexpr bool alone = true;
#endif

}  // namespace

TEST_CASE("run_info tells which lock each waits for, who holds it, and whose end is awaited") {
  weft::mutex plain;
  weft::recursive_mutex again;
  weft::shared_mutex read, written;
  weft::fiber<> keeper = weft::spawn({.name = "keeper"}, [&] {
    plain.lock();
    again.lock();
    read.lock_shared();
    written.lock();
    weft::this_fiber::sleep_for(std::chrono::hours(1));
  });
  weft::testing::wait_all_blocked();
  weft::fiber<> first = weft::spawn({.name = "first"}, [&] { plain.lock(); });
  weft::fiber<> second = weft::spawn({.name = "second"}, [&] { plain.lock(); });
  weft::fiber<> recursive = weft::spawn({.name = "recursive"}, [&] { again.lock(); });
  weft::fiber<> reads = weft::spawn({.name = "reads"}, [&] { written.lock_shared(); });
  weft::fiber<> writes = weft::spawn({.name = "writes"}, [&] { read.lock(); });
  weft::fiber<> joins = weft::spawn({.name = "joins"}, [&] { second.join(); });
  auto task = weft::spawn({.name = "task"}, [](weft::mutex& m) -> weft::task<> { auto held = co_await weft::async::lock(m); }(plain));
  weft::testing::wait_all_blocked();
  const std::string info = weft::run_info();
  CAPTURE(info);
  const std::string held = ", lock " + address_of(&plain) + " held by fiber 0x";
  for (const char* name : {"first", "second", "task"}) {
    CHECK(has(line_of(info, name), held));
    CHECK(has(line_of(info, name), " \"keeper\""));
  }
  CHECK(has(line_of(info, "recursive"), " held by fiber 0x"));
  CHECK(has(line_of(info, "reads"), ", lock " + address_of(&written) + " held by fiber 0x"));
  CHECK(has(line_of(info, "writes"), ", lock " + address_of(&read) + " held by 1 reader"));
  CHECK(has(line_of(info, "joins"), ", the end of fiber 0x"));
  CHECK(has(line_of(info, "joins"), " \"second\""));
  CHECK(has(line_of(info, "keeper"), ": parked in sleep for "));
  CHECK(!has(line_of(info, "keeper"), "lock"));
  CHECK(!has(info, "deadlock: "));
  weft::killall(std::vector<weft::any_fiber>{first, second, recursive, reads, writes, joins, task, keeper});
}

TEST_CASE("a deadlock that main is in says which lock main waits for, and names those in the circle" * doctest::skip(!alone)) {
  weft::mutex left, right;
  right.lock();
  auto lefty = weft::spawn({.name = "lefty"}, [&] {
    left.lock();
    right.lock();
  });
  weft::this_fiber::yield();
  REQUIRE(left.is_locked());
  std::string what;
  try {
    left.lock();
  } catch (const weft::deadlock& e) {
    what = e.what();
  }
  CAPTURE(what);
  const std::string at = address_of(&left);
  CHECK(has(what.substr(0, what.find('\n')), "could wake main, which waits in mutex.lock, lock " + at + " held by fiber 0x"));
  CHECK(has(what, "\ndeadlock: none of these will ever go on\n"));
  CHECK(has(what, "\"main\" waits for the lock " + at + ", which fiber 0x"));
  CHECK(has(what, "\"lefty\" waits for the lock " + address_of(&right) + ", which fiber 0x"));
  CHECK(has(what, "\"main\" holds\n"));
  right.unlock();
  lefty.join();
}

TEST_CASE("a deadlock of others, whose end main awaits, is told as theirs" * doctest::skip(!alone)) {
  weft::mutex left, right;
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
  std::string what;
  try {
    lefty.join();
  } catch (const weft::deadlock& e) {
    what = e.what();
  }
  CAPTURE(what);
  CHECK(has(what, "which waits in join, the end of fiber 0x"));
  CHECK(has(what, "\"lefty\" waits for the lock " + address_of(&right) + ", which fiber 0x"));
  CHECK(has(what, "\"righty\" waits for the lock " + address_of(&left) + ", which fiber 0x"));
  CHECK(!has(what, "\"main\" waits"));
  weft::killall(std::vector<weft::any_fiber>{lefty, righty});
}
