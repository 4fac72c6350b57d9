// Calls that are made later, at a moment, or every so often; and taken back in time. What is called may start a task.
//
// Prints:
//    0.0 s  timers are set
//    0.2 s  every 0.2 s: tick
//    0.4 s  every 0.2 s: tick
//    0.5 s  call_at: half a second after the start
//    0.6 s  every 0.2 s: tick
//    1.0 s  call_later: hello world, 3 times
//    2.0 s  the other call was taken back: yes
#include "stage.hpp"

#include <string>

using namespace std::chrono_literals;
namespace async = weft::async;

static weft::task<> greet(const stage& s, weft::event& done, std::string whom, int times) {
  s.say("call_later: hello %s, %d times", whom.c_str(), times);
  co_await async::sleep_for(1s);
  done.set();
}

static weft::task<> program(const stage& s) {
  weft::event done;
  weft::call_later(1s, [&](std::string whom, int times) { weft::spawn(greet(s, done, whom, times)); }, "world", 3);
  weft::call_at(std::chrono::steady_clock::now() + 500ms, [&] { s.say("call_at: half a second after the start"); });
  auto mistake = weft::call_later(900ms, [&] { s.say("never"); });
  int ticks = 0;
  weft::timer_handle ticker = weft::call_every(200ms, [&] {
    s.say("every 0.2 s: tick");
    if (++ticks == 3) ticker.cancel();
  });
  s.say("timers are set");
  const bool in_time = mistake.cancel();
  co_await async::join(done);
  s.say("the other call was taken back: %s", in_time ? "yes" : "no");
}

int main() {
  stage s;
  weft::await(program(s));
}
