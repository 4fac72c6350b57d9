// Two that take turns: each lets the other go on. With fibers the turns are yields: who yields goes to the end of the line.
//
// Prints:
//   12
//   56
//   34
//   78
#include "stage.hpp"

static void first() {
  std::puts("12");
  weft::this_fiber::yield();
  std::puts("34");
}

static void second() {
  std::puts("56");
  weft::this_fiber::yield();
  std::puts("78");
}

int main() {
  auto a = weft::spawn(first);
  auto b = weft::spawn(second);
  a.join();
  b.join();
}
