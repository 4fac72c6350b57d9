#include "patch/near_memory.hpp"

#include <sys/mman.h>

#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::patch {
namespace {

constexpr std::uintptr_t two_gib = std::uintptr_t{1} << 31;
constexpr std::uintptr_t margin = std::uintptr_t{1} << 20;
constexpr std::uintptr_t lowest = std::uintptr_t{1} << 16;  // vm.mmap_min_addr

std::uint8_t* map_at(std::uintptr_t at, std::size_t bytes) noexcept {
  const long got = sys::raw(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0L);
  if (got < 0 && got > -4096) return nullptr;
  if (static_cast<std::uintptr_t>(got) == at) return reinterpret_cast<std::uint8_t*>(got);
  sys::raw(SYS_munmap, got, bytes);  // a kernel before 4.17 takes the address for a hint
  return nullptr;
}

}  // namespace

std::uint8_t* map_near(range text, std::size_t bytes) noexcept {
  // Steps grow with the distance: the hole next to the text is usually found at once, a far one in some dozens of tries.
  const std::uintptr_t below = text.begin & ~(sys::page_size - 1), above = sys::round_up(text.end, sys::page_size);
  std::uintptr_t distance = sys::round_up(bytes, sys::page_size);
  while (text.size() + distance + bytes + margin < two_gib) {
    if (below > distance + lowest)
      if (std::uint8_t* p = map_at(below - distance, bytes)) return p;
    if (std::uint8_t* p = map_at(above + distance, bytes)) return p;
    distance += sys::round_up(distance / 16, sys::page_size) + sys::page_size;
  }
  return nullptr;
}

}  // namespace weft::patch
