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
namespace async = weft::async;

static weft::task<> produce(const stage& s, weft::queue<int>& q, int from) {
  for (int i = from; i < from + 3; ++i) {
    co_await async::sleep_for(100ms);
    co_await async::put(q, i);
    s.say("produced %d", i);
  }
}

static weft::task<> consume(const stage& s, weft::queue<int>& q, char name) {
  for (;;) {
    const int item = co_await async::get(q);
    co_await async::sleep_for(250ms);
    s.say("%c consumed %d", name, item);
    q.task_done();
  }
}

static weft::task<> program(const stage& s) {
  weft::queue<int> q;
  std::vector<weft::fiber<>> producers, consumers;
  for (const int from : {10, 20}) producers.push_back(weft::spawn(produce(s, q, from)));
  for (const char name : {'A', 'B'}) consumers.push_back(weft::spawn(consume(s, q, name)));
  co_await async::joinall(producers);
  s.say("all is produced");
  co_await async::join(q);
  co_await async::killall(consumers);
  s.say("all is consumed; A was cancelled: %s", consumers[0].was_cancelled() ? "yes" : "no");
}

int main() {
  stage s;
  weft::await(program(s));
}
