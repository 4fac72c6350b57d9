// Threads' names, as PR_SET_NAME and /proc/self/task/TID/comm have them.
#pragma once

#include "green/thread.hpp"

namespace weft::green {

inline constexpr std::size_t name_bytes = 16;

// The name, zeroes behind it, into `to` of name_bytes.
void name_of(const thread& t, char* to) noexcept;
// When the first thread is about to be made.
void note_process_name() noexcept;
// Same, without what may have been written to a comm file that is still open.
void name_of_itself(const thread& t, char* to) noexcept;
// For a trace: the same of a fiber that is a thread, and its id; 0: it is none.
std::uint32_t label_of(const fiber_base* f, char* text) noexcept;
// Cut to 15 bytes, and to what stands before a zero.
void set_name(thread& t, const char* name, std::size_t length) noexcept;
// In a forked child, whose only thread it is: the process is named after it.
void name_process_after(const thread& t) noexcept;

}  // namespace weft::green
