// Faults at the lowest layer: what sys::raw would ask of the kernel fails at random, under a seed.
//
// Faults are such as a kernel could give. A call that "would block" or is cut short although more is there is one only if readiness is
// announced again afterwards (another process took the data and gave it back, as it were): so the injector repeats the edge of the
// descriptor's epoll registration. Nothing here uses libc or thread-local memory: it runs wherever Weft makes a system call.
#pragma once

#include <cstdint>

namespace weft_test {

// What may fail.
enum faults : std::uint32_t {
  interruptions = 1,    // EINTR
  would_block = 2,      // EAGAIN of calls that may say so
  short_transfers = 4,  // fewer bytes, fewer events than asked for
  no_memory = 8,        // ENOMEM, ENOBUFS; mmap, mprotect, madvise
  no_descriptors = 16,  // EMFILE, ENFILE; eventfd, epoll_create, accept, open
  no_ring = 32,         // io_uring_setup, io_uring_enter
  all_faults = 63,
};

// From now on one call in `one_in` fails, of those that can fail in a way that `kinds` names.
void begin_faults(std::uint64_t seed, std::uint32_t one_in, std::uint32_t kinds) noexcept;
// None fail any more.
void end_faults() noexcept;
// How many calls have failed in that way, in all.
std::uint64_t injected(faults kind) noexcept;

}  // namespace weft_test
