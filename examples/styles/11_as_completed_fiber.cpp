// As completed: results in the order in which they come, not in the order in which the work was started.
//
// Prints:
//    1.0 s  got 1
//    2.0 s  got 4
//    3.0 s  got 9
#include "stage.hpp"

#include <vector>

using namespace std::chrono_literals;

static int square(int n) {
  weft::this_fiber::sleep_for(n * 1s);
  return n * n;
}

int main() {
  stage s;
  std::vector<weft::fiber<int>> all;
  for (const int n : {3, 1, 2}) all.push_back(weft::spawn(square, n));
  for (auto& f : weft::as_completed(all)) s.say("got %d", f.get());
}
