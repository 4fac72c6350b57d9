// A lock, a semaphore, an event, a condition with notify(n) and notify_all.
//
// Prints:
//    0.0 s  lock: a is in
//    1.0 s  lock: b is in
//    2.0 s  semaphore of 2: a has a permit
//    2.0 s  semaphore of 2: b has a permit
//    3.0 s  semaphore of 2: c has a permit
//    5.0 s  event: a goes on
//    5.0 s  event: b goes on
//    6.0 s  condition, notify(2): a woken
//    6.0 s  condition, notify(2): b woken
//    7.0 s  condition, notify_all: c woken
//    7.0 s  condition, notify_all: d woken
#include "stage.hpp"

#include <mutex>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using weft::this_fiber::sleep_for;

// Runs fn(name) for each name.
static std::vector<weft::fiber<>> each(const std::string& names, auto fn) {
  std::vector<weft::fiber<>> all;
  for (char name : names) all.push_back(weft::spawn(fn, name));
  return all;
}

int main() {
  stage s;

  weft::mutex lock;
  weft::joinall(each("ab", [&](char name) {
    std::lock_guard held(lock);
    s.say("lock: %c is in", name);
    sleep_for(1s);
  }));

  weft::semaphore two(2);
  weft::joinall(each("abc", [&](char name) {
    std::lock_guard permit(two);
    s.say("semaphore of 2: %c has a permit", name);
    sleep_for(1s);
  }));

  weft::event go;
  auto waiting = each("ab", [&](char name) {
    go.wait();
    s.say("event: %c goes on", name);
  });
  sleep_for(1s);
  go.set();
  weft::joinall(waiting);

  weft::condition_variable changed;
  const char* how = "";
  auto sleepers = each("abcd", [&](char name) {
    std::unique_lock held(lock);
    changed.wait(held);
    s.say("condition, %s: %c woken", how, name);
  });
  sleep_for(1s);
  how = "notify(2)";
  changed.notify(2);
  sleep_for(1s);
  how = "notify_all";
  changed.notify_all();
  weft::joinall(sleepers);
}
