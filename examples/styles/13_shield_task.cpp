// Shield: waiting for a task that runs on its own does not touch it when the waiter gives up. A task that is awaited inside a timeout is
// a part of the waiter, and is cancelled with it.
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
  if (!co_await async::join_for(saving, 1s)) s.say("gave up waiting; saved: %s", saving.done() ? "yes" : "no");
  const int result = co_await saving;
  s.say("the result is %d after all", result);

  const bool saved = co_await async::move_on_after(1s, save(s));
  s.say("gave up again; the unprotected save was cancelled: %s", saved ? "no" : "yes");
}

int main() {
  stage s;
  weft::await(program(s));
}
