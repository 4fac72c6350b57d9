// Callbacks when a task is done, with arguments bound to them. They run in the order in which they were added, each in a fiber of its
// own, also for a task that failed or was cancelled, and at once for one that is over.
//
// Prints:
//    0.0 s  three tasks run
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
namespace async = weft::async;

static weft::task<int> quickly() {
  co_await async::sleep_for(1s);
  co_return 4;
}
static weft::task<> badly() {
  co_await async::sleep_for(2s);
  throw std::runtime_error("out of paper");
}
static weft::task<> slowly() { co_await async::sleep_for(1h); }

static weft::task<> program(const stage& s) {
  auto quick = weft::spawn({.name = "quick"}, quickly());
  auto bad = weft::spawn({.name = "bad"}, badly());
  auto slow = weft::spawn({.name = "slow"}, slowly());

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

  s.say("three tasks run");
  co_await async::sleep_for(3s);
  co_await async::kill(slow);
  co_await async::yield();
  quick.link([&](any_fiber f) { s.say("added late: '%s' is done", f.name().data()); });
  co_await async::yield();
}

int main() {
  stage s;
  weft::await(program(s));
}
