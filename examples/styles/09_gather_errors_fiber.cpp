// Gather with failures as values: one succeeds, one divides by zero, one is cancelled half-way.
//
// Prints:
//    2.0 s  cancelling the third
//    2.0 s  [1, division by zero, the fiber was cancelled]
#include "stage.hpp"

#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

static int divide(int a, int b, std::chrono::seconds takes) {
  sleep_for(takes);
  if (b == 0) throw std::domain_error("division by zero");
  return a / b;
}

static std::string tell(weft::settled<int> r) {
  if (r) return std::to_string(r.value());
  try {
    std::rethrow_exception(r.exception());
  } catch (const std::exception& e) {
    return e.what();
  }
}

int main() {
  stage s;
  auto one = weft::spawn(divide, 2, 2, 1s);
  auto two = weft::spawn(divide, 2, 0, 1s);
  auto three = weft::spawn(divide, 2, 3, 10s);
  auto canceller = weft::spawn([&] {
    sleep_for(2s);
    s.say("cancelling the third");
    three.cancel();
  });
  auto [a, b, c] = weft::gather_settled(one, two, three);
  s.say("[%s, %s, %s]", tell(a).c_str(), tell(b).c_str(), tell(c).c_str());
  canceller.join();
}
