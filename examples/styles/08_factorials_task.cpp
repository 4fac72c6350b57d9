// Three factorials at once, multiplied in steps of a second; gather gives the results in the order of its arguments.
//
// Prints:
//    0.0 s  A: factorial(2), now i = 2
//    0.0 s  B: factorial(3), now i = 2
//    0.0 s  C: factorial(4), now i = 2
//    1.0 s  A: factorial(2) = 2
//    1.0 s  B: factorial(3), now i = 3
//    1.0 s  C: factorial(4), now i = 3
//    2.0 s  B: factorial(3) = 6
//    2.0 s  C: factorial(4), now i = 4
//    3.0 s  C: factorial(4) = 24
//    3.0 s  gathered 2, 6, 24
#include "stage.hpp"

using namespace std::chrono_literals;

static weft::task<long> factorial(const stage& s, char name, int n) {
  long f = 1;
  for (int i = 2; i <= n; ++i) {
    s.say("%c: factorial(%d), now i = %d", name, n, i);
    co_await weft::async::sleep_for(1s);
    f *= i;
  }
  s.say("%c: factorial(%d) = %ld", name, n, f);
  co_return f;
}

static weft::task<> program(const stage& s) {
  const auto [a, b, c] = co_await weft::async::gather(factorial(s, 'A', 2), factorial(s, 'B', 3), factorial(s, 'C', 4));
  s.say("gathered %ld, %ld, %ld", a, b, c);
}

int main() {
  stage s;
  weft::await(program(s));
}
