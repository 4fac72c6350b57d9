#include "sys/auxv.hpp"

#include <fcntl.h>

#include "sys/syscall.hpp"

namespace weft::sys {

std::uint64_t auxv(std::uint64_t type) noexcept {
  struct entry {
    std::uint64_t type, value;
  } entries[64];
  const long fd = raw(SYS_openat, AT_FDCWD, "/proc/self/auxv", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  const long n = raw(SYS_read, fd, &entries[0], sizeof entries);
  raw(SYS_close, fd);
  for (long i = 0; i < n / static_cast<long>(sizeof(entry)); ++i)
    if (entries[i].type == type) return entries[i].value;
  return 0;
}

}  // namespace weft::sys
