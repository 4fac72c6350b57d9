// wait_for: an hour's sleep is given a second. Who gives up gets a timeout_error, and the work is cancelled.
//
// Prints:
//    1.0 s  eternity is cancelled
//    1.0 s  timeout!
#include "stage.hpp"

using namespace std::chrono_literals;

static void eternity(const stage& s) {
  try {
    weft::this_fiber::sleep_for(1h);
    s.say("yay!");
  } catch (const weft::cancelled&) {
    s.say("eternity is cancelled");
    throw;
  }
}

int main() {
  stage s;
  try {
    weft::wait_for([&] { eternity(s); }, 1s);
  } catch (const weft::timeout_error&) {
    s.say("timeout!");
  }
}
