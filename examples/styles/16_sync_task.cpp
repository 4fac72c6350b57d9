// A lock, a semaphore, an event, a condition with notify(n) and notify_all, awaited.
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
namespace async = weft::async;

// Runs fn(name) for each name.
static std::vector<weft::fiber<>> each(const std::string& names, auto fn) {
  std::vector<weft::fiber<>> all;
  for (char name : names) all.push_back(weft::spawn(fn, name));
  return all;
}

static weft::task<> program(const stage& s) {
  weft::mutex lock;
  co_await async::joinall(each("ab", [&](char name) -> weft::task<> {
    auto held = co_await async::lock(lock);
    s.say("lock: %c is in", name);
    co_await async::sleep_for(1s);
  }));

  weft::semaphore two(2);
  co_await async::joinall(each("abc", [&](char name) -> weft::task<> {
    co_await async::acquire(two);
    std::lock_guard permit(two, std::adopt_lock);
    s.say("semaphore of 2: %c has a permit", name);
    co_await async::sleep_for(1s);
  }));

  weft::event go;
  auto waiting = each("ab", [&](char name) -> weft::task<> {
    co_await async::join(go);
    s.say("event: %c goes on", name);
  });
  co_await async::sleep_for(1s);
  go.set();
  co_await async::joinall(waiting);

  weft::condition_variable changed;
  const char* how = "";
  auto sleepers = each("abcd", [&](char name) -> weft::task<> {
    auto held = co_await async::lock(lock);
    co_await async::wait(changed, held);
    s.say("condition, %s: %c woken", how, name);
  });
  co_await async::sleep_for(1s);
  how = "notify(2)";
  changed.notify(2);
  co_await async::sleep_for(1s);
  how = "notify_all";
  changed.notify_all();
  co_await async::joinall(sleepers);
}

int main() {
  stage s;
  weft::await(program(s));
}
