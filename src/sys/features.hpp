// What this kernel and machine can do, found out by trying, and what WEFT_WITHOUT=guard,pwait2,... forbids for tests.
#pragma once

#include <cstdint>

namespace weft::sys {

enum class feature : std::uint8_t {
  guard,     // madvise(MADV_GUARD_INSTALL): guard pages without a mapping of their own (Linux >= 6.13)
  mprotect,  // mprotect guards; without them too, canaries
  pwait2,    // epoll_pwait2: timeouts in nanoseconds (Linux >= 5.11)
  nowait,    // RWF_NOWAIT on pipes, sockets and files
  fsgsbase,  // wrfsbase/wrgsbase in user mode (Linux >= 5.9)
  uring,     // io_uring
  count
};

// False when WEFT_WITHOUT names the feature, or after `mark_missing`.
bool have(feature f) noexcept;

// Called by the code that tried the feature and was refused (ENOSYS, EINVAL): it is not tried again.
void mark_missing(feature f) noexcept;

// The feature's name as WEFT_WITHOUT spells it.
const char* name(feature f) noexcept;

// The value of environment variable `key`, or null. Weft's own settings are read by this alone: a program started with `--no-children`
// does not have them in `environ` any more.
const char* env(const char* key) noexcept;

// From now on variables named WEFT_* that are missing in `environ` are looked up in `before`, which must stay as it is. For the shim.
extern "C" __attribute__((visibility("default"))) void weft_keep_environment(char** before) noexcept;

}  // namespace weft::sys
