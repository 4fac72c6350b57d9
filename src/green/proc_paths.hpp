// Paths of green threads in /proc.
#pragma once

namespace weft::green {

// Names that were written to a thread's comm file, which is still open, are the threads' from now on.
void take_written_names() noexcept;

}  // namespace weft::green
