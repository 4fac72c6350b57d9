// For tests of programs that use Weft: time that jumps instead of passing, and schedules that shuffle under a seed. After trio.testing.
#pragma once

#include <chrono>
#include <cstdint>

#include "weft/detail/runtime.hpp"

namespace weft::testing {

// While one lives, this hub's time stands still while anything runs, and jumps to the next deadline when every fiber is parked: an
// hour of sleeping takes no time, in the exact order of its deadlines (trio's MockClock with autojump). I/O that is ready, and jobs in
// a thread_pool, are waited for first. One at a time.
class WEFT_API virtual_clock {
public:
  virtual_clock();
  ~virtual_clock();
  virtual_clock(const virtual_clock&) = delete;
  virtual_clock& operator=(const virtual_clock&) = delete;

  // Virtual time that has passed since construction.
  std::chrono::nanoseconds elapsed() const;
  // Moves time on by hand; timers that become due fire at the next park.
  void advance(std::chrono::nanoseconds d);

private:
  detail::nanos started_;
};

// Parks until every other fiber of the hub is parked and nothing is ready (trio's wait_all_tasks_blocked).
WEFT_API void wait_all_blocked();

// From now on the hub picks among ready fibers at random, the same way for the same seed; 0 restores first-in, first-out.
WEFT_API void shuffle(std::uint64_t seed);

}  // namespace weft::testing
