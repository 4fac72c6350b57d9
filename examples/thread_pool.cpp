// Work that computes goes to OS threads, so that fibers go on meanwhile. The fiber that asked just waits for the result.
//
// Prints:
//   primes below 100000: 9592
//   primes below 200000: 17984
//   primes below 300000: 25997
//   fibers ran meanwhile: yes
//   a failure comes back too: limit must be positive
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <vector>

#include <weft/weft.hpp>

using namespace std::chrono_literals;

static int count_primes(int limit) {
  if (limit <= 0) throw std::invalid_argument("limit must be positive");
  std::vector<bool> composite(static_cast<std::size_t>(limit));
  int count = 0;
  for (int i = 2; i < limit; ++i) {
    if (composite[static_cast<std::size_t>(i)]) continue;
    ++count;
    for (long long j = 1LL * i * i; j < limit; j += i) composite[static_cast<std::size_t>(j)] = true;
  }
  return count;
}

int main() {
  int ticks = 0;
  auto ticker = weft::spawn([&] {
    for (;;) {
      weft::this_fiber::yield();
      ++ticks;
    }
  });

  weft::thread_pool pool(2);
  std::vector<weft::fiber<int>> results;
  for (int limit : {100'000, 200'000, 300'000}) results.push_back(pool.spawn(count_primes, limit));
  int limit = 0;
  for (auto& r : results) std::cout << "primes below " << (limit += 100'000) << ": " << r.get() << '\n';
  std::cout << "fibers ran meanwhile: " << (ticks > 0 ? "yes" : "no") << '\n';
  ticker.kill();

  try {
    pool.apply(count_primes, -1);
  } catch (const std::invalid_argument& e) {
    std::cout << "a failure comes back too: " << e.what() << '\n';
  }
}
