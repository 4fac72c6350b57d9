// wait_for: an hour's sleep is given a second. Who gives up gets a timeout_error, and the work is cancelled.
//
// Prints:
//    1.0 s  eternity is cancelled
//    1.0 s  timeout!
#include "stage.hpp"

using namespace std::chrono_literals;
namespace async = weft::async;

static weft::task<> eternity(const stage& s) {
  try {
    co_await async::sleep_for(1h);
    s.say("yay!");
  } catch (const weft::cancelled&) {
    s.say("eternity is cancelled");
    throw;
  }
}

static weft::task<> program(const stage& s) {
  try {
    co_await async::wait_for(eternity(s), 1s);
  } catch (const weft::timeout_error&) {
    s.say("timeout!");
  }
}

int main() {
  stage s;
  weft::await(program(s));
}
