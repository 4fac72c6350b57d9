// Testing code that waits, without waiting: while a virtual_clock lives, time jumps to the next deadline whenever every fiber is
// parked. The code under test retries with growing pauses and gives up after a minute.
//
// Prints:
//   succeeds at once: after 0 s, 1 attempt(s)
//   succeeds at the fourth attempt: after 7 s, 4 attempt(s)
//   gives up: after 60 s, 6 attempt(s)
#include <chrono>
#include <functional>
#include <iostream>

#include <weft/testing.hpp>
#include <weft/weft.hpp>

using namespace std::chrono_literals;

// Tries until `attempt` succeeds, pausing 1 s, 2 s, 4 s, ... in between; false after a minute.
static bool retry(const std::function<bool()>& attempt) {
  return weft::move_on_after(1min, [&] {
    for (auto pause = 1s; !attempt(); pause *= 2) weft::this_fiber::sleep_for(pause);
  });
}

// One test: fails the first `failures` times.
static bool expect(const char* what, int failures, std::chrono::seconds time, int attempts) {
  weft::testing::virtual_clock clock;
  int made = 0;
  const bool done = retry([&] { return made++ >= failures; });
  const auto took = std::chrono::duration_cast<std::chrono::seconds>(clock.elapsed());
  std::cout << what << ": after " << took.count() << " s, " << made << " attempt(s)\n";
  return done == (failures < 6) && clock.elapsed() == time && made == attempts;
}

int main() {
  bool right = expect("succeeds at once", 0, 0s, 1);
  right = expect("succeeds at the fourth attempt", 3, 7s, 4) && right;
  right = expect("gives up", 1'000'000, 60s, 6) && right;
  return right ? 0 : 1;
}
