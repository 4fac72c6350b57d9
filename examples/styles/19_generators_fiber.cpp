// Generators with stacks: send, throw_in, delegation with a result; one that waits between its values; collecting as comprehensions do.
//
// Prints:
//    0.0 s  averages of 10, 20, 30: 10 15 20
//    0.0 s  thrown in: reset; average of 4: 4
//    0.0 s  delegation: 1 2 a b; the inner one returned 2
//    1.0 s  tick 0
//    2.0 s  tick 1
//    3.0 s  tick 2
//    3.0 s  squares of the even numbers: 0 4 16 36 64
#include "stage.hpp"

#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
template <class T, class Send = void, class Return = void>
using generator = weft::fiber_generator<T, Send, Return>;

// Send it numbers, it yields their average; a runtime_error begins anew.
static generator<double, double> averages() {
  return generator<double, double>([](auto& yield) {
    double sum = 0;
    int n = 0;
    for (;;) try {
        const auto v = yield(n == 0 ? 0 : sum / n);
        if (v) sum += *v, ++n;
      } catch (const std::runtime_error&) {
        sum = n = 0;
      }
  });
}

int main() {
  stage s;
  auto average = averages();
  average.next();
  const double a = *average.send(10), b = *average.send(20), c = *average.send(30);
  s.say("averages of 10, 20, 30: %g %g %g", a, b, c);
  average.throw_in(std::make_exception_ptr(std::runtime_error("reset")));
  s.say("thrown in: reset; average of 4: %g", *average.send(4));

  generator<std::string> outer([](auto& yield) {
    const int inner_result = yield.from(generator<std::string, void, int>([](auto& inner) {
      inner("1");
      inner("2");
      return 2;
    }));
    yield.from(std::vector<std::string>{"a", "b"});
    yield("the inner one returned " + std::to_string(inner_result));
  });
  std::string text = "delegation:", separator = " ";
  for (const std::string& part : outer) {
    if (part.size() > 1) separator = "; ";
    text += separator + part;
  }
  s.say("%s", text.c_str());

  // No other kind is needed for one that waits: it waits on the stack of whoever asks.
  generator<int> ticks([](auto& yield) {
    for (int i = 0;; ++i) {
      weft::this_fiber::sleep_for(1s);
      yield(i);
    }
  });
  for (int i = 0; i < 3; ++i) {
    const int tick = *ticks.next();
    s.say("tick %d", tick);
  }

  generator<int> numbers([](auto& yield) {
    for (int i = 0; i < 10; ++i) yield(i);
  });
  std::string squares;
  for (int n : numbers)
    if (n % 2 == 0) squares += ' ' + std::to_string(n * n);
  s.say("squares of the even numbers:%s", squares.c_str());
}
