#include "patch/load_watch.hpp"

#include <link.h>
#include <sys/mman.h>

#include <cstring>

#include "patch/near_memory.hpp"
#include "patch/window.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::patch {
namespace {

// ret, then padding up to the next function; or endbr64 and ret, which are five bytes.
bool is_empty_function(const unsigned char* code) {
  static constexpr unsigned char landing[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xc3};
  if (std::memcmp(code, landing, sizeof landing) == 0) return true;
  if (code[0] != 0xc3 || reinterpret_cast<std::uintptr_t>(code) % 16 != 0) return false;
  const unsigned char next = code[1];
  return next == 0x66 || next == 0x0f || next == 0x90 || next == 0xcc || next == 0x2e;
}

}  // namespace

std::optional<segment_changes> watch_of_loads(void (*changed)()) {
  const std::uintptr_t at = _r_debug.r_brk;
  if (at == 0) return std::nullopt;
  for (const elf_image& image : loaded_images())
    for (const range& text : image.text) {
      if (!text.holds(at) || !text.holds(at + 16)) continue;
      if (!is_empty_function(reinterpret_cast<const unsigned char*>(at))) return std::nullopt;
      std::uint8_t* const stub = map_near(text, sys::page_size);  // kept for good
      if (stub == nullptr) return std::nullopt;
      static constexpr unsigned char jump[] = {0xff, 0x25, 0, 0, 0, 0};  // jmp *0(%rip)
      std::memcpy(stub, jump, sizeof jump);
      std::memcpy(stub + sizeof jump, &changed, sizeof changed);
      if (sys::raw(SYS_mprotect, stub, sys::page_size, PROT_READ | PROT_EXEC) != 0) {
        sys::unmap(stub, sys::page_size);
        return std::nullopt;
      }
      return segment_changes{text, {{at, jump_length, reinterpret_cast<std::uintptr_t>(stub)}}};
    }
  return std::nullopt;
}

bool loads_are_consistent() noexcept { return _r_debug.r_state == r_debug::RT_CONSISTENT; }

}  // namespace weft::patch
