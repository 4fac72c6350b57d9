// Wait until the first is done, until the first fails, until all are done: three times four tasks, of which the third fails.
//
// Prints:
//    1.0 s  first completed: 1 done, 3 pending
//    4.0 s  first exception: 3 done, 1 pending
//    8.0 s  all completed: 4 done, 0 pending
#include "stage.hpp"

#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace async = weft::async;

static weft::task<int> work(int n) {
  co_await async::sleep_for(n * 1s);
  if (n == 3) throw std::runtime_error("the third fails");
  co_return n;
}

static void tell(const stage& s, const char* until, const weft::wait_result<weft::fiber<int>>& r) {
  s.say("%s: %zu done, %zu pending", until, r.done.size(), r.pending.size());
}

static weft::task<> program(const stage& s) {
  const std::pair<weft::return_when, const char*> ways[] = {{weft::first_completed, "first completed"},
                                                            {weft::first_exception, "first exception"},
                                                            {weft::all_completed, "all completed"}};
  for (const auto& [until, name] : ways) {
    std::vector<weft::fiber<int>> works;
    for (int i = 1; i <= 4; ++i) works.push_back(weft::spawn(work(i)));
    tell(s, name, co_await async::wait(works, until));
    co_await async::killall(works);
  }
}

int main() {
  stage s;
  weft::await(program(s));
}
