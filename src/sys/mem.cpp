#include "sys/mem.hpp"

#include <sys/mman.h>
#include <sys/resource.h>

#include "sys/syscall.hpp"

namespace weft::sys {

void* map(std::size_t bytes) noexcept {
  const long at = raw(SYS_mmap, 0L, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
  return at < 0 && at > -4096 ? nullptr : reinterpret_cast<void*>(at);
}

void unmap(void* at, std::size_t bytes) noexcept { raw(SYS_munmap, at, bytes); }

// Most of a limited space is the program's: the limit may be set so that it just has what it needs.
std::size_t reservable(std::size_t most) noexcept {
  rlimit limit{};
  if (raw(SYS_prlimit64, 0, RLIMIT_AS, nullptr, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return most;
  return limit.rlim_cur / 32 < most ? limit.rlim_cur / 32 : most;
}

}  // namespace weft::sys
