// The auxiliary vector, read from /proc: getauxval is libc's, and this is needed before libc may be asked.
#pragma once

#include <cstdint>

namespace weft::sys {

// The value of entry `type` (AT_SYSINFO_EHDR, AT_HWCAP2, ...), 0 when absent.
std::uint64_t auxv(std::uint64_t type) noexcept;

}  // namespace weft::sys
