// Three tasks draw random numbers until one is over their threshold, and pause between draws.
//
// Prints:
//    0.0 s  maker 0 begins, until more than 6
//    0.0 s  maker 0: 8 is enough
//    0.0 s  maker 1 begins, until more than 5
//    0.0 s  maker 1: 5 is too low
//    0.0 s  maker 2 begins, until more than 4
//    0.0 s  maker 2: 3 is too low
//    2.0 s  maker 1: 3 is too low
//    3.0 s  maker 2: 1 is too low
//    4.0 s  maker 1: 8 is enough
//    6.0 s  maker 2: 3 is too low
//    9.0 s  maker 2: 6 is enough
//    9.0 s  together 22
#include "stage.hpp"

#include <vector>

using namespace std::chrono_literals;

// Numbers that look random and are the same in every run.
class dice {
public:
  explicit dice(unsigned seed) : state_(seed) {}
  int roll() { return static_cast<int>((state_ = state_ * 1103515245u + 12345u) >> 16) % 11; }

private:
  unsigned state_;
};

static weft::task<int> make(const stage& s, int index, int threshold) {
  s.say("maker %d begins, until more than %d", index, threshold);
  dice d(static_cast<unsigned>(index + 1));
  for (int got = d.roll();; got = d.roll()) {
    if (got > threshold) {
      s.say("maker %d: %d is enough", index, got);
      co_return got;
    }
    s.say("maker %d: %d is too low", index, got);
    co_await weft::async::sleep_for((index + 1) * 1s);
  }
}

int main() {
  stage s;
  std::vector<weft::fiber<int>> makers;
  for (int i = 0; i < 3; ++i) makers.push_back(weft::spawn(make(s, i, 6 - i)));
  int sum = 0;
  for (auto& m : makers) sum += m.get();
  s.say("together %d", sum);
}
