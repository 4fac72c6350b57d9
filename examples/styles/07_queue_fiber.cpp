// Producers and consumers over a queue. Main waits for the producers, then until every item was dealt with (join), then cancels the
// consumers, which would wait for ever.
//
// Prints:
//    0.1 s  produced 10
//    0.1 s  produced 20
//    0.2 s  produced 11
//    0.2 s  produced 21
//    0.3 s  produced 12
//    0.3 s  produced 22
//    0.3 s  all is produced
//    0.3 s  A consumed 10
//    0.3 s  B consumed 20
//    0.6 s  A consumed 11
//    0.6 s  B consumed 21
//    0.8 s  A consumed 12
//    0.8 s  B consumed 22
//    0.8 s  all is consumed; A was cancelled: yes
#include "stage.hpp"

#include <vector>

using namespace std::chrono_literals;

static void produce(const stage& s, weft::queue<int>& q, int from) {
  for (int i = from; i < from + 3; ++i) {
    weft::this_fiber::sleep_for(100ms);
    q.put(i);
    s.say("produced %d", i);
  }
}

static void consume(const stage& s, weft::queue<int>& q, char name) {
  for (;;) {
    const int item = q.get();
    weft::this_fiber::sleep_for(250ms);
    s.say("%c consumed %d", name, item);
    q.task_done();
  }
}

int main() {
  stage s;
  weft::queue<int> q;
  std::vector<weft::fiber<>> producers, consumers;
  for (const int from : {10, 20}) producers.push_back(weft::spawn(produce, std::cref(s), std::ref(q), from));
  for (const char name : {'A', 'B'}) consumers.push_back(weft::spawn(consume, std::cref(s), std::ref(q), name));
  weft::joinall(producers);
  s.say("all is produced");
  q.join();
  weft::killall(consumers);
  s.say("all is consumed; A was cancelled: %s", consumers[0].was_cancelled() ? "yes" : "no");
}
