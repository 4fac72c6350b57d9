// A trace of what fibers and green threads do, as Chrome's trace-event JSON, which Perfetto (ui.perfetto.dev) and chrome://tracing open:
// a row each, with what it ran and what it waited for, and arrows from who woke or made whom. docs/tracing.md shows one.
#pragma once

#include <cstddef>
#include <string>

#include "weft/detail/runtime.hpp"

namespace weft {

// Records from now on what happens on all hubs of the process; trace_stop, or the end of the process, writes it to `path`, in which %p
// stands for the process's id. Memory is bounded: the newest events in about `bytes` of it are kept (32 bytes an event; 0: what
// WEFT_TRACE_SIZE says, else 16 MiB), and the trace tells how many were dropped. WEFT_TRACE=path begins it with the process. A forked child
// writes a trace of its own, path.PID. Does not park. Throws std::system_error: EBUSY while a trace is being recorded, or the reason
// why `path` cannot be written.
WEFT_API void trace_start(const std::string& path, std::size_t bytes = 0);

// Ends the recording and writes the trace; nothing when none is recorded. Blocks the thread while it writes, and does not park. Throws
// std::system_error when the file cannot be written.
WEFT_API void trace_stop();

// Whether a trace is being recorded.
WEFT_API bool tracing() noexcept;

}  // namespace weft
