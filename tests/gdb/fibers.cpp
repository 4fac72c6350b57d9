// The scene of fibers that gdb looks at: each waits in another way, at known places with known values. It goes on when it has stopped
// in `stage` often enough, and ends with a result that tells whether anything was disturbed.
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <thread>

#include "weft/async.hpp"
#include "weft/event.hpp"
#include "weft/fiber.hpp"
#include "weft/fiber_generator.hpp"
#include "weft/io.hpp"
#include "weft/mutex.hpp"
#include "weft/task.hpp"

int pipe_of_reader[2], pipe_of_other[2];
volatile int looked = 0;  // gdb sets it: all was seen as it should be

namespace {

weft::event happened;
weft::mutex kept;

[[gnu::noinline]] int waits_deep(int depth) {
  const int ten_times = depth * 10;
  if (depth > 0) return waits_deep(depth - 1) + ten_times;  // line of a deep call
  happened.wait();                                          // line of the event
  return 1;
}

[[gnu::noinline]] int reads(int fd) {
  char byte = 0;
  const int marker = 4242;
  weft::read(fd, &byte, 1);  // line of the read
  return marker + byte;
}

weft::task<int> inner(int x) {
  const int twice = 2 * x;
  co_await happened;  // line of inner
  co_return twice;
}

weft::task<int> middle(int x) {
  const int below = x + 1;
  const int y = co_await inner(below);  // line of middle
  co_return y + 1;
}

[[gnu::noinline]] int awaits() {
  return weft::await(middle(50));  // line of the fiber that awaits
}

[[gnu::noinline]] void stage() { asm volatile(""); }

template <class Y>
[[gnu::noinline]] void yields_deep(Y& yield, int depth) {
  if (depth > 0) return yields_deep(yield, depth - 1);
  for (int n = 0;; ++n) yield(11 * n);  // line of the yield
}

[[gnu::noinline]] int asks() {
  weft::fiber_generator<int> numbers([](auto& yield) { yields_deep(yield, 2); });
  int sum = 0;
  for (int i = 0; i < 3; ++i) sum += *numbers.next();
  happened.wait();
  return sum + *numbers.next();
}

[[gnu::noinline]] void keeps() {
  std::scoped_lock held(kept);
  happened.wait();
}

[[gnu::noinline]] void locks() { std::scoped_lock held(kept); }

// A hub of its own, with one fiber.
void other_thread() {
  auto f = weft::spawn({.name = "elsewhere"}, [] { return reads(pipe_of_other[0]); });
  std::printf("elsewhere %d\n", f.get());
}

}  // namespace

int main() {
  if (pipe(pipe_of_reader) != 0 || pipe(pipe_of_other) != 0) return 1;
  std::thread other(other_thread);
  auto deep = weft::spawn({.name = "deep"}, [] { return waits_deep(3); });
  auto reader = weft::spawn({.name = "reader"}, [] { return reads(pipe_of_reader[0]); });
  auto task = weft::spawn({.name = "task"}, middle(5));
  auto awaiter = weft::spawn({.name = "awaiter"}, awaits);
  auto asker = weft::spawn({.name = "asker"}, asks);
  auto keeper = weft::spawn({.name = "keeper"}, keeps);
  auto locker = weft::spawn({.name = "locker"}, locks);
  auto joiner = weft::spawn({.name = "joiner"}, [&] { locker.join(); });
  auto sleeper = weft::spawn([] { weft::this_fiber::sleep_for(std::chrono::hours(1)); });
  while (looked == 0) {
    weft::this_fiber::sleep_for(std::chrono::milliseconds(1));
    stage();
  }
  auto late = weft::spawn({.name = "late"}, [] { return 7; });
  happened.set();
  if (write(pipe_of_reader[1], "a", 1) != 1 || write(pipe_of_other[1], "b", 1) != 1) return 1;
  other.join();
  sleeper.cancel();
  joiner.join();
  const int sum = deep.get() + reader.get() + task.get() + awaiter.get() + late.get() + asker.get();
  std::printf("sum %d\n", sum);
  return sum == 61 + 4339 + 13 + 103 + 7 + 66 ? 0 : 1;
}
