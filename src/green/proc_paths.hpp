// Paths of green threads in /proc.
#pragma once

#include <cstdint>

namespace weft::green {

// Names that were written to a thread's comm file, which is still open, are the threads' from now on.
void take_written_names() noexcept;

// Whether a descriptor is the folder of this process's threads.
bool is_task_folder(int fd) noexcept;

// Writes at `to`, with a zero behind it: where that is.
char* put_text(char* to, const char* text) noexcept;
char* put_text(char* to, std::uint64_t number) noexcept;

}  // namespace weft::green
