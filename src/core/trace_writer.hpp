// Where a hub writes what trace.hpp notes. Only its own thread does, and signal handlers on top of it.
#pragma once

#include <cstdint>

namespace weft::core::trace {
struct chunk;  // core/trace_format.hpp
}

namespace weft::core {

struct trace_writer {
  trace::chunk* at = nullptr;
  std::uint32_t number = 0;        // of the hub in this trace
  std::uint32_t generation = 0;    // of the trace that `at` and `number` belong to
  std::uint32_t quiet_since = 0;   // records in the chunk when the last poll was over
  std::uint32_t in_turn = 0;
  std::uint32_t opening = 0;       // a chunk is being taken: a signal handler that comes now finds none
  std::uint32_t about_what = 0;    // of the next park
  std::uint64_t about = 0;
  std::uint64_t last = 0;          // stamp of the record before: a virtual clock stands still between two
};

}  // namespace weft::core
