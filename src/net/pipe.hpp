// Writing to the end of a pipe without its signal.
#pragma once

#include <cstddef>
#include <sys/types.h>

namespace weft::net {

// Parks until there is room, then writes what goes in, at least one byte. -1 with errno; EPIPE when nobody reads any more, and no
// SIGPIPE with it, as MSG_NOSIGNAL does for sockets.
ssize_t write_some(int fd, const void* data, std::size_t size);
// The same for a pipe that is writable now: never parks. -EAGAIN when somebody else was faster.
long write_at_once(int fd, const void* data, std::size_t size);

}  // namespace weft::net
