// A recorded trace as Chrome's trace-event JSON, which Perfetto opens. Used by a process at its end, which may be a signal handler or the
// middle of anything, and by `weft trace`: no libc, no malloc; working memory is mapped.
#pragma once

#include <cstddef>

namespace weft::trace {

// Whether `map`, of `bytes`, is a recorded trace.
bool is_recording(const void* map, std::size_t bytes) noexcept;

// Whether anything happened in it.
bool has_events(const void* map) noexcept;

// Writes the whole of it to descriptor `fd`; `ended_by` says what ended the recording. 0, or -errno. Hubs may go on writing to `map`
// meanwhile; what is torn is left out.
long write_json(const void* map, int fd, const char* ended_by) noexcept;

}  // namespace weft::trace
