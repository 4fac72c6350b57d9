// Not a program: mistakes that are easily made, and behind each, at its line, what compilers have to say about it (misuse.py).
#include <coroutine>
#include <string>
#include <vector>

#include <weft/weft.hpp>

using namespace std::chrono_literals;
using weft::task;
namespace async = weft::async;

// A coroutine type of somebody else.
struct foreign {
  struct promise_type {
    foreign get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
};
struct foreign_awaitable {
  bool await_ready() { return true; }
  void await_suspend(std::coroutine_handle<>) {}
  void await_resume() {}
};

task<int> one() { co_return 1; }

foreign sleeps_elsewhere() { co_await async::sleep_for(1s); }   // EXPECT: in others use weft::await, or weft::spawn
foreign awaits_elsewhere() { co_await one(); }                  // EXPECT: in others use weft::await, or weft::spawn
task<> awaits_a_stranger() { co_await foreign_awaitable(); }    // EXPECT: other blocking code runs in a fiber: co_await weft::in_fiber(fn)
task<> awaits_a_number() { co_await 5; }                        // EXPECT: other blocking code runs in a fiber: co_await weft::in_fiber(fn)

task<> awaits_by_name() {
  auto t = one();
  co_await t;                                                   // EXPECT: a weft::task runs once: co_await std::move(it)
}
task<> keeps_a_call() {
  auto later = async::sleep_for(1s);
  co_await later;                                               // EXPECT: await it where it is made
}
void spawns_by_name() {
  auto t = one();
  weft::spawn(t);                                               // EXPECT: a weft::task runs once: give it away by std::move
}
int waits_by_name() {
  auto t = one();
  return weft::await(t);                                        // EXPECT: a weft::task runs once: give it away by std::move
}

task<std::size_t> takes_a_temporary(std::string&& s) { co_return s.size(); }            // EXPECT: take it by value
weft::async_generator<int> yields_of_one(std::vector<int>&& v) { co_yield v.front(); }  // EXPECT: take it by value
weft::generator<char> letters_of_one(std::string&& s) { co_yield s.front(); }           // EXPECT: take it by value

weft::generator<int> waits_in_a_generator() {
  co_await async::sleep_for(1s);                                // EXPECT: weft::async_generator may co_await
  co_yield 1;
}
task<int> yields_in_a_task() { co_yield 1; co_return 1; }       // EXPECT: weft::async_generator yields
weft::fiber<int> returns_a_handle() { co_return 1; }            // EXPECT: weft::spawn makes a weft::fiber<T> of it

task<> wraps_a_task() {
  co_await weft::in_fiber([] { return one(); });                // EXPECT: that is a task: co_await it as it is
}
void selects_a_coroutine(weft::channel<int>& c) {
  weft::select(weft::on_receive(c, []() -> task<> { co_return; }));  // EXPECT: in a coroutine use co_await weft::async::select
}
void forgets_a_task() {
  one();                                                        // EXPECT: a weft::task runs only when it is awaited or spawned
}
task<> forgets_an_operation() {
  async::sleep_for(1s);                                         // EXPECT: nothing happens before it is awaited: co_await it
  co_return;
}
