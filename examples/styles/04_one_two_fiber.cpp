// One, a second's pause, two: three times at once takes as long as once.
//
// Prints:
//    0.0 s  one
//    0.0 s  one
//    0.0 s  one
//    1.0 s  two
//    1.0 s  two
//    1.0 s  two
//    1.0 s  all three took 1.0 s, not 3.0 s
#include "stage.hpp"

using namespace std::chrono_literals;

static void count(const stage& s) {
  s.say("one");
  weft::this_fiber::sleep_for(1s);
  s.say("two");
}

int main() {
  stage s;
  const auto once = [&s] { count(s); };
  weft::gather(once, once, once);
  s.say("all three took %.1f s, not 3.0 s", s.now());
}
