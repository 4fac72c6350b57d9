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

static weft::task<> count(const stage& s) {
  s.say("one");
  co_await weft::async::sleep_for(1s);
  s.say("two");
}

static weft::task<> program(const stage& s) {
  co_await weft::async::gather(count(s), count(s), count(s));
  s.say("all three took %.1f s, not 3.0 s", s.now());
}

int main() {
  stage s;
  weft::await(program(s));
}
