// A generator made of bare greenlets: the consumer switches to the producer for each value and may send something along; the
// producer switches back. What weft::fiber_generator does is this, with types.
//
// Prints:
//   asked: 0
//   asked: 1
//   sent 10, got: 10
//   asked: 11
//   thrown in: back to 0
//   the producer ended with 'enough'
#include <weft/greenlet.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>

using weft::greenlet;
using weft::greenlet_value;

int main() {
  greenlet producer([consumer = greenlet::current()] {
    int n = 0;
    while (n < 100) try {
        greenlet_value sent = consumer.switch_to(n);
        n = sent ? sent.as<int>() : n + 1;
      } catch (const std::runtime_error&) {
        n = 0;
      }
    return std::string("enough");
  });

  for (int i = 0; i < 2; ++i) std::printf("asked: %d\n", producer.switch_to().as<int>());
  std::printf("sent 10, got: %d\n", producer.switch_to(10).as<int>());
  std::printf("asked: %d\n", producer.switch_to().as<int>());
  std::printf("thrown in: back to %d\n", producer.throw_in(std::make_exception_ptr(std::runtime_error("anew"))).as<int>());
  std::printf("the producer ended with '%s'\n", producer.switch_to(100).take<std::string>().c_str());
}
