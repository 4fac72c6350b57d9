// As completed: results in the order in which they come, not in the order in which the work was started.
//
// Prints:
//    1.0 s  got 1
//    2.0 s  got 4
//    3.0 s  got 9
#include "stage.hpp"

#include <vector>

using namespace std::chrono_literals;
namespace async = weft::async;

static weft::task<int> square(int n) {
  co_await async::sleep_for(n * 1s);
  co_return n * n;
}

static weft::task<> program(const stage& s) {
  std::vector<weft::fiber<int>> all;
  for (const int n : {3, 1, 2}) all.push_back(weft::spawn(square(n)));
  auto ended = async::as_completed(all);
  while (auto f = co_await ended.next()) {
    const int got = co_await *f;
    s.say("got %d", got);
  }
}

int main() {
  stage s;
  weft::await(program(s));
}
