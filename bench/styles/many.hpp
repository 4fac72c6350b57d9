// The two measurements of many waiting things, for the styles that have a program of their own here. Usage of each:
//   PROGRAM STYLE memory N    N of them wait for an hour; bytes each that the process grew by
//   PROGRAM STYLE timers N    N of them sleep up to a second each; CPU seconds from the first that is made to the last that ends
// One line of JSON. A process each: only that tells what touching memory for the first time costs.
#pragma once

#include "footprint.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <unistd.h>

namespace many {

// Counted by those that wait: which of them have come, and how many are over.
struct tally {
  long begun = 0, over = 0;
};
// Makes `count` of them, each waiting for length(), and runs them until all have begun (`to_the_end` false) or are over.
using style = void (*)(tally& t, long count, bool to_the_end);

inline bool sleeping_long = false;

// A fixed sequence (splitmix64): each run sleeps the same times.
inline std::chrono::nanoseconds length() {
  if (sleeping_long) return std::chrono::hours(1);
  static std::uint64_t state = 42;
  std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return std::chrono::nanoseconds((z ^ (z >> 31)) % 1'000'000'000);
}

inline int run(int argc, char** argv, const std::map<std::string, style>& styles) {
  const auto chosen = argc == 4 ? styles.find(argv[1]) : styles.end();
  const std::string what = argc == 4 ? argv[2] : "";
  const long count = argc == 4 ? std::atol(argv[3]) : 0;
  if (chosen == styles.end() || count <= 0 || (what != "memory" && what != "timers")) {
    std::fprintf(stderr, "usage: %s STYLE memory|timers N\n", argv[0]);
    return 2;
  }
  sleeping_long = what == "memory";
  tally t;
  tally warm_up;
  if (sleeping_long) chosen->second(warm_up, 1, false);  // what the first one brings along is not the price of another
  footprint_kb();
  const long before_kb = footprint_kb();
  const double before_s = cpu_seconds();
  chosen->second(t, count, !sleeping_long);
  const double took_s = cpu_seconds() - before_s;
  const long grown_kb = footprint_kb() - before_kb;
  if (t.begun != count || t.over != (sleeping_long ? 0 : count)) {
    std::fprintf(stderr, "%s: of %ld, %ld began and %ld ended\n", argv[0], count, t.begun, t.over);
    _exit(1);
  }
  const double bytes_each = 1024.0 * static_cast<double>(grown_kb) / static_cast<double>(count);
  std::printf("{\"count\": %ld, \"bytes_each\": %.1f, \"cpu_s\": %.6f}\n", count, bytes_each, took_s);
  std::fflush(stdout);
  _exit(0);  // those that wait are not waited for
}

}  // namespace many
