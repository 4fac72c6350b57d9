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

task<const std::string&> returns_a_temporary() { co_return std::string("x"); }          // EXPECT: co_returns a temporary or a local
task<const std::string&> returns_another() { co_return "x"; }                           // EXPECT: co_returns a temporary or a local
task<const std::vector<int>&> returns_a_local(std::vector<int> v) { co_return v; }      // EXPECT: co_returns a temporary or a local
auto brings_a_view() {
  return weft::run_in_process([] { return std::string_view("x"); });  // EXPECT: a pointer or view means nothing in another process
}

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
void cuts_off_a_coroutine() {
  weft::move_on_after(1s, [] { return async::sleep_for(2s); });  // EXPECT: in a fiber let the function return weft::await(...)
}
void shields_a_coroutine() {
  static_cast<void>(weft::shield([]() -> task<long> { co_return 1; }));  // EXPECT: in a fiber let the function return weft::await(...)
}
int runs_a_coroutine(weft::task_group& g) {
  return g.run([]() -> task<> { co_return; }), 1;               // EXPECT: in a fiber let the function return weft::await(...)
}
void sends_a_coroutine_to_a_thread(weft::thread_pool& p) {
  p.spawn([]() -> task<int> { co_return 1; });                  // EXPECT: a coroutine runs on its hub
}
void completes_with_a_coroutine() {
  weft::barrier b(2, []() -> task<> { co_return; });            // EXPECT: it cannot be a coroutine
}
void reports_to_a_coroutine() {
  weft::on_error([](const weft::unobserved_failure&) -> task<> { co_return; });  // EXPECT: the handler cannot be a coroutine
}
void calls_a_coroutine_once(weft::once_flag& f) {
  weft::call_once(f, []() -> task<short> { co_return 1; });     // EXPECT: in a fiber let the function return weft::await(...)
}
void yields_from_a_coroutine() {
  weft::fiber_generator<int>([](auto&) -> task<unsigned> { co_return 1; });  // EXPECT: in a fiber let the function return weft::await(...)
}
auto spawns_a_lock(weft::mutex& m) { return weft::spawn(async::lock(m)); }  // EXPECT: a lock belongs to the coroutine that takes it
void spawns_into_a_group(weft::task_group& g) {
  auto t = one();
  g.spawn(t);                                                   // EXPECT: a weft::task runs once: give it away by std::move
}
task<> waits_for_unbegun(std::vector<task<long>> v) {
  co_await async::wait(v);                                      // EXPECT: these tasks have not begun
}
void joins_unbegun(const std::vector<task<int>>& v) {
  weft::joinall(v);                                             // EXPECT: these tasks have not begun
}
void takes_unbegun(const std::vector<task<char>>& v) {
  for (const auto& t : weft::as_completed(v)) static_cast<void>(t);  // EXPECT: these tasks have not begun
}
void loops_over(weft::async_generator<int> g) {
  for (int i : g) static_cast<void>(i);                         // EXPECT: a range-for cannot await
}
int takes_for_a_value(weft::queue<int>& q) {
  return async::get(q);                                         // EXPECT: to_be_awaited
}
int takes_a_task_for_a_value() {
  return one();                                                 // EXPECT: task<int>
}
// In the compilers' own words:
void awaits_in_a_function() { co_await one(); }                 // EXPECT: coroutine
void awaits_in_a_plain_lambda() {
  weft::spawn([] { co_await one(); });                          // EXPECT: function with a deduced return type
}
void forgets_a_task() {
  one();                                                        // EXPECT: a weft::task runs only when it is awaited or spawned
}
task<> forgets_an_operation() {
  async::sleep_for(1s);                                         // EXPECT: nothing happens before it is awaited: co_await it
  co_return;
}
