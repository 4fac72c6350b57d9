// One offload thread: a raw clone, without libc and without TLS of a program's, all signals blocked but two.
//
// - 32 interrupts its call. glibc keeps this number for pthread_cancel (so programs cannot block or use it); our handler stands
//   before glibc's and passes on what is not ours. It is sent with the worker's address and loses no race: the call is made by a
//   stub whose addresses are known (offload_worker.S), which looks at `cancel` first. A handler that finds the thread between that
//   look and the end of the `syscall` instruction, which is also where the kernel puts a call that it would restart, moves it to
//   the stub's exit with EINTR. Behind the instruction the call is over and its result stands.
// - 33 is the patcher's, which stops all threads while it rewrites text. A thread here never stands in a rewritten site.
//
// gdb sees such a thread as an LWP without a pthread; glibc does not know of it at all.
#pragma once

#include <cstdint>

#include "sys/atomic.hpp"

namespace weft::io {

struct offload_op;

struct worker {
  worker* next_idle = nullptr;
  offload_op* job = nullptr;        // under the pool's lock
  std::uint32_t given = 0;          // futex word: 1 when `job` was handed over
  std::uint32_t cancel = 0;         // read by the stub and the handler
  std::uint32_t tid = 0;
  std::uint32_t generation = 0;     // of the credentials that it has
  void (*run)(worker&) noexcept = nullptr;
  void* thread_block[16] = {};      // where its FS base points: not its creator's, whose hub is not its own
};

// Makes a thread that calls run(worker) with the job given, and then ends. Null when the kernel refuses.
worker* start_worker(void (*run)(worker&) noexcept, offload_op* first_job, std::uint32_t generation) noexcept;

// On a worker: makes the call. -EINTR when it was interrupted by `interrupt`, or without a reason.
long make_call(worker& w, const long* nr_and_args) noexcept;

// Ends the call that the worker makes. `w.cancel` is set; the caller holds the lock that keeps the job from ending.
void interrupt(worker& w) noexcept;

}  // namespace weft::io
