// What would hold up the hub goes elsewhere: a blocking function to a thread, a computing one to other processes. The handles of both
// are awaited like tasks. Tasks run on meanwhile: the heart beats.
//
// Prints:
//   thread pool: 3 blocking calls at once, results 1 2 3
//   one process: sum of the first 1000000 numbers is 499999500000
//   process pool: primes below 20000, 40000, 60000: 2262 4203 6057
//   failure over there: std::invalid_argument, "no number"
//   the heart went on beating: yes
#include "stage.hpp"

#include <atomic>
#include <stdexcept>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;
namespace async = weft::async;

static std::atomic<int> beats;

// Holds its thread (the kernel's sleep, not Weft's) until the hub's heart has beaten ten times more.
static int blocking(int n) {
  for (const int until = beats + 10; beats < until;) ::usleep(1'000);
  return n;
}

static int primes_below(int limit) {
  int count = 0;
  for (int n = 2; n < limit; ++n) {
    bool prime = true;
    for (int d = 2; d * d <= n && prime; ++d) prime = n % d != 0;
    count += prime;
  }
  return count;
}

static weft::task<> heart() {
  for (;;) {
    co_await async::sleep_for(1ms);
    ++beats;
  }
}

static weft::task<> program() {
  weft::process_pool processes(2);  // forked early, while there is little to copy
  auto beating = weft::spawn(heart());

  weft::thread_pool threads(3);
  auto a = threads.spawn(blocking, 1), b = threads.spawn(blocking, 2), c = threads.spawn(blocking, 3);
  std::printf("thread pool: 3 blocking calls at once, results");
  for (auto& f : {a, b, c}) std::printf(" %d", co_await f);

  const long sum = co_await weft::in_fiber([] {
    return weft::run_in_process([] {
      long total = 0;
      for (long n = 0; n < 1'000'000; ++n) total += n;
      return total;
    });
  });
  std::printf("\none process: sum of the first 1000000 numbers is %ld\n", sum);

  std::vector<weft::fiber<int>> counts;
  for (int limit : {20'000, 40'000, 60'000}) counts.push_back(processes.spawn(primes_below, limit));
  std::printf("process pool: primes below 20000, 40000, 60000:");
  for (auto& f : counts) std::printf(" %d", co_await f);

  try {
    co_await processes.spawn([]() -> int { throw std::invalid_argument("no number"); });
  } catch (const weft::process_error& e) {
    std::printf("\nfailure over there: %s, \"%s\"\n", e.type().c_str(), e.what());
  }
  std::printf("the heart went on beating: %s\n", beats >= 10 ? "yes" : "no");
  beating.cancel();
  co_await async::join(beating);
}

int main() { weft::await(program()); }
