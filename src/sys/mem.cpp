#include "sys/mem.hpp"

#include <sys/mman.h>

#include "sys/syscall.hpp"

namespace weft::sys {

void* map(std::size_t bytes) noexcept {
  const long at = raw(SYS_mmap, 0L, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
  return at < 0 && at > -4096 ? nullptr : reinterpret_cast<void*>(at);
}

void unmap(void* at, std::size_t bytes) noexcept { raw(SYS_munmap, at, bytes); }

}  // namespace weft::sys
