// Two greenlets that switch to each other by name. When the second switches back to the first one, that one ends, and main goes on: the
// last line of the second is never reached.
//
// Prints:
//   12
//   56
//   34
#include "stage.hpp"

int main() {
  weft::greenlet *a = nullptr, *b = nullptr;
  weft::greenlet first([&] {
    std::puts("12");
    b->switch_to();
    std::puts("34");
  });
  weft::greenlet second([&] {
    std::puts("56");
    a->switch_to();
    std::puts("78");
  });
  a = &first;
  b = &second;
  first.switch_to();
}
