// Callbacks when a fiber is done, with arguments bound to them. They run in the order in which they were added, each in a fiber of its
// own, also for a fiber that failed or was cancelled, and at once for one that is over.
//
// Prints:
//    0.0 s  three fibers run
//    1.0 s  first callback: 'quick' gave 4
//    1.0 s  second callback, with 7 and 'x'
//    2.0 s  'bad' failed: out of paper
//    3.0 s  'slow' was cancelled
//    3.0 s  added late: 'quick' is done
#include "stage.hpp"

#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using weft::any_fiber;
using weft::this_fiber::sleep_for;

int main() {
  stage s;
  auto quick = weft::spawn({.name = "quick"}, [] { return sleep_for(1s), 4; });
  auto bad = weft::spawn({.name = "bad"}, [] {
    sleep_for(2s);
    throw std::runtime_error("out of paper");
  });
  auto slow = weft::spawn({.name = "slow"}, [] { sleep_for(1h); });

  quick.link([&](any_fiber f) { s.say("first callback: '%s' gave %d", f.name().data(), quick.get()); });
  const auto second = [&](int number, const std::string& text) { s.say("second callback, with %d and '%s'", number, text.c_str()); };
  quick.link([second, number = 7, text = std::string("x")](any_fiber) { second(number, text); });
  bad.link([&](any_fiber f) {
    try {
      std::rethrow_exception(f.exception());
    } catch (const std::exception& e) {
      s.say("'%s' failed: %s", f.name().data(), e.what());
    }
  });
  slow.link([&](any_fiber f) { s.say("'%s' was %s", f.name().data(), f.was_cancelled() ? "cancelled" : "done"); });

  s.say("three fibers run");
  sleep_for(3s);
  slow.kill();
  weft::this_fiber::yield();
  quick.link([&](any_fiber f) { s.say("added late: '%s' is done", f.name().data()); });
  weft::this_fiber::yield();
}
