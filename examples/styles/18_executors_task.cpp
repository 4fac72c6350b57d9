// What would hold up the hub goes elsewhere: a blocking function to a thread, a computing one to other processes. Both are awaited like
// tasks. Tasks run on meanwhile: the heart beats.
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

static weft::task<> program() {
  weft::process_pool processes(2);  // forked early, while there is little to copy
  weft::call_every(1ms, [] { ++beats; });

  weft::thread_pool threads(3);
  const auto [a, b, c] = co_await async::gather(async::apply(threads, blocking, 1), async::apply(threads, blocking, 2),
                                                async::apply(threads, blocking, 3));
  std::printf("thread pool: 3 blocking calls at once, results %d %d %d\n", a, b, c);

  const long sum = co_await async::run_in_process([] {
    long total = 0;
    for (long n = 0; n < 1'000'000; ++n) total += n;
    return total;
  });
  std::printf("one process: sum of the first 1000000 numbers is %ld\n", sum);

  const std::vector limits{20'000, 40'000, 60'000};
  const auto counts = co_await async::map(processes, primes_below, limits);
  std::printf("process pool: primes below 20000, 40000, 60000: %d %d %d\n", counts[0], counts[1], counts[2]);

  try {
    co_await async::apply(processes, []() -> int { throw std::invalid_argument("no number"); });
  } catch (const weft::process_error& e) {
    std::printf("failure over there: %s, \"%s\"\n", e.type().c_str(), e.what());
  }
  std::printf("the heart went on beating: %s\n", beats >= 10 ? "yes" : "no");
}

int main() { weft::await(program()); }
