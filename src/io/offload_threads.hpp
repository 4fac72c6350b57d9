// The threads that make offloaded calls: one pool for the process.
//
// Brief calls: at most WEFT_OFFLOAD_THREADS of them at once (32 unless set, 1 to 1,024), the others queue in order. Calls that wait
// get a thread each, up to `most_waiting` of them. A thread that has nothing to do for five seconds ends.
#pragma once

#include "io/offload_op.hpp"

namespace weft::io {

inline constexpr std::uint32_t usual_brief_threads = 32, most_brief_threads = 1024, most_waiting = 16384;

// How many brief calls are made at once, by each ring too.
std::uint32_t most_brief() noexcept;

// False: no thread can be made (RLIMIT_NPROC, memory), or too many wait.
bool start_by_thread(offload_op& op) noexcept;

// Takes a queued call back, which is then over; interrupts one that is being made. May have to be repeated.
void interrupt_thread(offload_op& op) noexcept;

// Threads made so far take no call that begins later. Safe in a signal handler.
void retire_threads() noexcept;

// In the child of fork: there are none any more.
void forget_threads() noexcept;

}  // namespace weft::io
