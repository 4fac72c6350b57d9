// Generators as coroutines: send, throw_in, delegation with a result; an asynchronous one that awaits between its values; collecting as
// comprehensions do.
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

#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace async = weft::async;

// Send it numbers, it yields their average; a runtime_error begins anew.
static weft::generator<double, double> averages() {
  double sum = 0;
  int n = 0;
  for (;;) try {
      const auto v = co_yield (n == 0 ? 0 : sum / n);
      if (v) sum += *v, ++n;
    } catch (const std::runtime_error&) {
      sum = n = 0;
    }
}

static weft::generator<std::string, void, int> inner() {
  co_yield std::string("1");
  co_yield std::string("2");
  co_return 2;
}
static weft::generator<std::string> outer() {
  const int inner_result = co_yield weft::from(inner());
  co_yield std::string("a");
  co_yield std::string("b");
  co_yield "the inner one returned " + std::to_string(inner_result);
}

static weft::async_generator<int> ticks() {
  for (int i = 0;; ++i) {
    co_await async::sleep_for(1s);
    co_yield int(i);
  }
}

static weft::async_generator<int> even_squares() {
  for (int n = 0; n < 10; n += 2) co_yield n * n;
}

static weft::task<> program(const stage& s) {
  auto average = averages();
  average.next();
  const double a = *average.send(10), b = *average.send(20), c = *average.send(30);
  s.say("averages of 10, 20, 30: %g %g %g", a, b, c);
  average.throw_in(std::make_exception_ptr(std::runtime_error("reset")));
  s.say("thrown in: reset; average of 4: %g", *average.send(4));

  std::string text = "delegation:", separator = " ";
  for (const std::string& part : outer()) {
    if (part.size() > 1) separator = "; ";
    text += separator + part;
  }
  s.say("%s", text.c_str());

  auto ticking = ticks();
  for (int i = 0; i < 3; ++i) {
    const auto tick = co_await ticking.next();
    s.say("tick %d", *tick);
  }

  std::string squares;
  for (int n : co_await async::collect(even_squares())) squares += ' ' + std::to_string(n);
  s.say("squares of the even numbers:%s", squares.c_str());
}

int main() {
  stage s;
  weft::await(program(s));
}
