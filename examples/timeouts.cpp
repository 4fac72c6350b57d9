// Four ways to put a limit on waiting, and what happens when limits nest: each catches only its own.
//
// Prints:
//   move_on_after: cut off
//   fail_after: timed out
//   with_timeout: the fallback
//   join_for: still running
//   nested: the inner limit passed, then the outer work went on
//   nested: the outer limit passed through the inner one
#include <chrono>
#include <iostream>
#include <string>

#include <weft/weft.hpp>

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

static std::string slow_answer() {
  sleep_for(1h);
  return "the answer";
}

int main() {
  const bool finished = weft::move_on_after(5ms, [] { sleep_for(1h); });
  std::cout << "move_on_after: " << (finished ? "finished" : "cut off") << '\n';

  try {
    weft::fail_after(5ms, slow_answer);
  } catch (const weft::timeout_error& e) {
    std::cout << "fail_after: " << e.what() << '\n';
  }

  std::cout << "with_timeout: " << weft::with_timeout(5ms, slow_answer, "the fallback") << '\n';

  auto fiber = weft::spawn(slow_answer);
  std::cout << "join_for: " << (fiber.join_for(5ms) ? "over" : "still running") << '\n';
  fiber.kill();

  weft::move_on_after(1h, [] {
    const bool in_time = weft::move_on_after(5ms, [] { sleep_for(1h); });
    if (!in_time) std::cout << "nested: the inner limit passed, then the outer work went on\n";
  });
  const bool outer_in_time = weft::move_on_after(5ms, [] {
    weft::move_on_after(1h, [] { sleep_for(1h); });
    std::cout << "nested: never printed\n";
  });
  if (!outer_in_time) std::cout << "nested: the outer limit passed through the inner one\n";
}
