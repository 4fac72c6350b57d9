// Two that take turns: each lets the other go on. With tasks the turns are awaited yields.
//
// Prints:
//   12
//   56
//   34
//   78
#include "stage.hpp"

namespace async = weft::async;

static weft::task<> first() {
  std::puts("12");
  co_await async::yield();
  std::puts("34");
}

static weft::task<> second() {
  std::puts("56");
  co_await async::yield();
  std::puts("78");
}

int main() {
  auto a = weft::spawn(first());
  auto b = weft::spawn(second());
  a.join();
  b.join();
}
