// The end of a trace, however the process ends: it is written by whoever comes first. No libc: an end may be a signal handler.
#pragma once

#include <csignal>

namespace weft::trace {

// No more is recorded, and the trace is written. Once only; nothing without a trace, or in a child that records nothing of its own.
// 0, or -errno, which was reported.
long finish(const char* ended_by) noexcept;

// From now on (a trace has begun) the ends that Weft sees write the trace: _exit, exec and signals in patched programs. Again harmless.
void watch_ends() noexcept;

// The handler of signals that end the process: writes the trace, and lets the signal do what it does.
void on_deadly(int number, siginfo_t* info, void*);

// A trace has begun, and has not been finished.
void begun() noexcept;

}  // namespace weft::trace
