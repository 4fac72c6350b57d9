// The files of /proc that tell of one thread, as the kernel would write them of a green one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "green/thread.hpp"

namespace weft::green {

enum class proc_text : std::uint8_t { none, stat, status, schedstat };

// Which one a path below a thread's folder, or the process's, means.
proc_text text_named(const char* name) noexcept;

inline constexpr std::size_t text_bytes = 8192;

// The text of `t`'s file into `to` of text_bytes: the carrier's, with what is the thread's own in its place. `process`: the file of the
// whole process, of which only the number of threads and what it tells of its first one are not the carrier's. 0: the kernel's is to be
// used, for want of memory or because it does not look as it should.
std::size_t write_text(proc_text which, thread& t, bool process, char* to) noexcept;

// How many threads the process has, to its own eyes.
std::uint64_t threads_shown(std::uint64_t in_kernel) noexcept;

}  // namespace weft::green
