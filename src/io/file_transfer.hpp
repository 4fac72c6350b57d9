// Reading and writing files on disk: at once what is in memory (RWF_NOWAIT), else by offloading the call.
//
// The kernel's calls come back with everything unless the file ends, so a part that was in memory is followed by the rest. Calls at
// the file position hold its lock in the kernel while they run: on one hub they take turns, or the next one would block the hub.
#pragma once

#include <cstdint>
#include <sys/uio.h>

#include "io/park_rules.hpp"

namespace weft::io {

struct file_transfer {
  bool out;               // write
  int fd;
  const iovec* parts;     // the program's: read only after the kernel has
  unsigned long count;
  long offset;            // -1: at the file position
  int flags;              // of preadv2(2) and pwritev2(2)
};

// What the descriptor is now is no file on disk: take another way.
inline constexpr long not_on_disk = lowest_errno - 1;

// Whether reads and writes of `fd` may have to wait for a disk or server.
bool on_disk(caller who, int fd) noexcept;

// >= 0, -errno, an ended code when nothing was transferred before, or `not_on_disk`.
long transfer(hub& h, caller who, const file_transfer& t) noexcept;

// pread64 and pwrite64 of the C++ face, of whatever `fd` is. >= 0, -errno or an ended code.
long transfer_at(hub& h, bool out, int fd, std::uint64_t offset, void* bytes, std::size_t size) noexcept;

}  // namespace weft::io
