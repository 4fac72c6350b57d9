// Two producers and three consumers share a bounded queue. When every item has been dealt with, the consumers, which would wait for
// ever, are cancelled: each says good-bye in a destructor.
//
// Prints:
//   all 20 items dealt with, their sum is 190
//   a consumer leaves
//   a consumer leaves
//   a consumer leaves
//   consumers cancelled: 3
#include <iostream>
#include <vector>

#include <weft/weft.hpp>

struct good_bye {
  ~good_bye() { std::cout << "a consumer leaves\n"; }
};

int main() {
  weft::queue<int> items(4);  // a put into the full queue parks the producer: it cannot run ahead
  int dealt_with = 0, sum = 0;

  const auto produce = [&](int from, int to) {
    for (int i = from; i < to; ++i) items.put(i);
  };
  const auto consume = [&] {
    good_bye at_the_end;
    for (;;) {
      const int item = items.get();
      weft::this_fiber::yield();  // some work that parks
      ++dealt_with;
      sum += item;
      items.task_done();
    }
  };

  std::vector<weft::fiber<>> consumers;
  for (int i = 0; i < 3; ++i) consumers.push_back(weft::spawn({.name = "consumer"}, consume));
  const std::vector producers{weft::spawn(produce, 0, 10), weft::spawn(produce, 10, 20)};
  weft::joinall(producers);
  items.join();  // until task_done() was called for each
  std::cout << "all " << dealt_with << " items dealt with, their sum is " << sum << '\n';

  weft::killall(consumers);
  int cancelled = 0;
  for (auto& c : consumers) cancelled += c.was_cancelled();
  std::cout << "consumers cancelled: " << cancelled << '\n';
}
