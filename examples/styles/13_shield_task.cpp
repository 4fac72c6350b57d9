// Shield: who waits for a shielded task may give up or be cancelled, the task itself goes on. Without the shield it is cancelled too.
//
// Prints:
//    0.0 s  saving begins
//    1.0 s  gave up waiting; saved: no
//    3.0 s  saved
//    3.0 s  the result is 42 after all
//    4.0 s  gave up again; the unprotected save was cancelled: yes
#include "stage.hpp"

using namespace std::chrono_literals;
namespace async = weft::async;

static weft::task<int> save(const stage& s) {
  co_await async::sleep_for(3s);
  s.say("saved");
  co_return 42;
}

static weft::task<> program(const stage& s) {
  s.say("saving begins");
  auto saving = weft::spawn(save(s));
  try {
    co_await async::wait_for(weft::shield(saving), 1s);
  } catch (const weft::timeout_error&) {
    s.say("gave up waiting; saved: %s", saving.done() ? "yes" : "no");
  }
  const int result = co_await saving;
  s.say("the result is %d after all", result);

  auto unprotected = weft::spawn(save(s));
  try {
    co_await async::wait_for(unprotected, 1s);
  } catch (const weft::timeout_error&) {
    s.say("gave up again; the unprotected save was cancelled: %s", unprotected.was_cancelled() ? "yes" : "no");
  }
}

int main() {
  stage s;
  weft::await(program(s));
}
