// Going on in the middle of an array of buffers, and what kind of socket makes that necessary.
//
// Reads a program's iovec array plainly: only after a system call on it has succeeded.
#pragma once

#include <cstddef>
#include <sys/uio.h>

namespace weft::io {

// Bytes of all parts together.
std::size_t total_bytes(const iovec* parts, std::size_t count) noexcept;

// Up to `most` parts of what lies behind the first `done` bytes, copied to `window`. Returns how many.
std::size_t rest_of(const iovec* parts, std::size_t count, std::size_t done, iovec* window, std::size_t most) noexcept;

inline constexpr std::size_t window_parts = 16;

// A stream socket: its calls may transfer a part. -errno of getsockopt counts as no.
bool is_stream(int fd) noexcept;

}  // namespace weft::io
