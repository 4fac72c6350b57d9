// CPU time of each green thread.
//
// The carrier's clock runs for all of them. It is shared out from the first question on: at every switch, the time since the last one is
// the leaving thread's. Short turns are measured by the cycle counter, longer ones, and every question, by the kernel's clock, which puts
// right what the counter made of a turn in which the carrier itself was not running. Before the first question there are only the ticks
// of preemption (tick.cpp), each of which found somebody running: an estimate that costs nothing.
#pragma once

#include <csignal>

#include "green/caller.hpp"
#include "green/thread.hpp"
#include "io/dispatch.hpp"

namespace weft::green {

// A tick has come while `f` ran.
void note_tick(const fiber_base* f, const siginfo_t* info) noexcept;

// In nanoseconds. The first call begins the sharing out. Only on the carrier.
std::uint64_t cpu_time(hub& h, thread& t) noexcept;

// Whether it has begun.
bool clocks_run() noexcept;

// In a forked child, whose clocks begin anew.
void restart_clocks(thread& t) noexcept;

// Whose CPU time a clock counts; nobody: it is another clock, or the kernel's (clock_calls.cpp). Only on the carrier.
named_thread thread_of_clock(int clock) noexcept;

// Of preemption.
inline constexpr std::uint64_t tick_ns = 2'000'000;

}  // namespace weft::green
