// Shield: who waits for a shielded fiber may give up or be cancelled, the fiber itself goes on. Without the shield it is cancelled too.
//
// Prints:
//    0.0 s  saving begins
//    1.0 s  gave up waiting; saved: no
//    3.0 s  saved
//    3.0 s  the result is 42 after all
//    4.0 s  gave up again; the unprotected save was cancelled: yes
#include "stage.hpp"

using namespace std::chrono_literals;

int main() {
  stage s;
  const auto save = [&] {
    weft::this_fiber::sleep_for(3s);
    s.say("saved");
    return 42;
  };

  s.say("saving begins");
  auto saving = weft::spawn(save);
  try {
    weft::wait_for(weft::shield(saving), 1s);
  } catch (const weft::timeout_error&) {
    s.say("gave up waiting; saved: %s", saving.done() ? "yes" : "no");
  }
  const int result = saving.get();
  s.say("the result is %d after all", result);

  auto unprotected = weft::spawn(save);
  try {
    weft::wait_for(unprotected, 1s);
  } catch (const weft::timeout_error&) {
    s.say("gave up again; the unprotected save was cancelled: %s", unprotected.was_cancelled() ? "yes" : "no");
  }
}
