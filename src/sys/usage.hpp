// What the kernel counts of the calling OS thread.
#pragma once

#include <cstdint>
#include <sys/resource.h>

#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::sys {

struct thread_usage {
  std::uint64_t voluntary_switches;  // it waited: in a system call, or for a page
  std::uint64_t major_faults;        // pages that came from a disk
};

inline thread_usage usage_of_thread() noexcept {
  rusage u;
  fill(&u, 0, sizeof u);  // clang would call memset
  raw(SYS_getrusage, RUSAGE_THREAD, &u);
  return {static_cast<std::uint64_t>(u.ru_nvcsw), static_cast<std::uint64_t>(u.ru_majflt)};
}

}  // namespace weft::sys
