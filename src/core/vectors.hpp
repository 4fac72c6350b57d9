// The vector registers of a fiber that parks inside a rewritten system call. x86-64 only; compiled with -mgeneral-regs-only, so
// that nothing between the call's entry and `save` can have touched one.
#pragma once

#include <cpuid.h>
#include <cstddef>
#include <cstdint>

namespace weft::core::vectors {

enum class form : std::uint8_t {
  fxsave,  // no AVX: the xmm registers are all there is
  xsave,   // before Skylake, and under Valgrind
  xsavec,  // saves only what is in use
};

struct machine {
  std::uint32_t bytes;  // of the save area; 0 while unknown
  form how;
};

inline machine probe() noexcept {
  unsigned a, b, c, d;
  machine m{512, form::fxsave};
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return m;
  if (__get_cpuid_count(13, 1, &a, &b, &c, &d) == 0) return m;
  // EBX of leaf 13.1 is the compacted size of everything XCR0 enables; leaf 13.0 bounds it from above.
  const bool compact = (a & 2) != 0;
  std::uint32_t bytes = compact ? b : 0;
  __get_cpuid_count(13, 0, &a, &b, &c, &d);
  if (b > bytes) bytes = b;
  return {(bytes + 63) / 64 * 64, compact ? form::xsavec : form::xsave};
}

inline machine this_machine{0, form::fxsave};

inline std::size_t area_bytes() noexcept {
  if (this_machine.bytes == 0) this_machine = probe();
  return this_machine.bytes;
}

// Everything but x87 (bit 0), whose control word the switch itself carries.
inline constexpr std::uint32_t wanted_low = ~1u, wanted_high = ~0u;

inline void save(char* area) noexcept {
  if (this_machine.how != form::fxsave) {
    // XRSTOR faults on rubbish in the header's reserved bytes. Plain stores: `rep stosb` costs more than the save itself.
    auto* header = reinterpret_cast<volatile std::uint64_t*>(area + 512);
    for (int i = 0; i < 8; ++i) header[i] = 0;
    if (this_machine.how == form::xsavec)
      asm volatile("xsavec64 %0" : "=m"(*area) : "a"(wanted_low), "d"(wanted_high) : "memory");
    else
      asm volatile("xsave64 %0" : "=m"(*area) : "a"(wanted_low), "d"(wanted_high) : "memory");
  } else {
    asm volatile("fxsave64 %0" : "=m"(*area) : : "memory");
  }
}

inline void restore(char* area) noexcept {
  if (this_machine.how != form::fxsave)
    asm volatile("xrstor64 %0" : : "m"(*area), "a"(wanted_low), "d"(wanted_high) : "memory");
  else
    asm volatile("fxrstor64 %0" : : "m"(*area) : "memory");
}

}  // namespace weft::core::vectors
