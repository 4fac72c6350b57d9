// Two fibers that count, with sleeps of their own length in between.
//
// Prints:
//    0.0 s  A counts 1
//    0.0 s  B counts 1
//    0.2 s  A counts 2
//    0.3 s  B counts 2
//    0.4 s  A counts 3
//    0.6 s  B counts 3
#include "stage.hpp"

using namespace std::chrono_literals;

static void count(const stage& s, char name, std::chrono::milliseconds pause) {
  for (int i = 1; i <= 3; ++i) {
    s.say("%c counts %d", name, i);
    weft::this_fiber::sleep_for(pause);
  }
}

int main() {
  stage s;
  auto a = weft::spawn(count, std::cref(s), 'A', 200ms);
  auto b = weft::spawn(count, std::cref(s), 'B', 300ms);
  a.join();
  b.join();
}
