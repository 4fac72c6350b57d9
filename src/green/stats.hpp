// WEFT_STATS: what a run did, as a table on standard error when the process ends by itself.
//
// Costs nothing unless it is asked for: then every call that Weft answers goes through a counter first (call_counts.cpp).
#pragma once

#include <cstdint>

#include "patch/dispatch.hpp"

namespace weft::green {

// At start, when the handlers are in place. Does nothing unless WEFT_STATS is set; its value is the process that tells of itself even
// without a green thread, or 1, which is each.
void start_stats(int sites_patched) noexcept;

// In the child of a fork: its own figures begin.
void stats_after_fork() noexcept;
// The first green thread is about to be made, maybe in a process that was forked when there were none.
void stats_at_first_thread() noexcept;

// By a system call's number, over all green threads since start_stats.
struct call_count {
  std::uint64_t made, answered, parks;  // answered: without the kernel's own instruction
};
extern call_count call_counts[512];

// Puts the counter before every handler but those that return twice or never. Again when handlers were set anew, once it was asked for.
void count_calls() noexcept;
void count_calls_again() noexcept;
// Whether the counter stands before that handler.
bool counts_before(long nr, patch::handler own) noexcept;

}  // namespace weft::green
