// futex(2) for fibers: waits that park, and wakes that look for parked fibers first and then ask the kernel, where native threads wait.
//
// What is private to the process is answered in user space (futex_table.hpp). Everything else, and whatever is not known here, is the
// kernel's. Waits are uncancellable: glibc aborts on an error that it does not expect.
#pragma once

#include <ctime>

#include "io/dispatch.hpp"
#include "io/futex_table.hpp"

struct futex_waitv;

namespace weft::io::futex {

// libc's writable data, where the locks lie that it takes inside itself; empty when not known. Set before the first site is rewritten.
struct address_range {
  std::uint64_t begin = 0, end = 0;
};
inline address_range libc_data;

// Whether any thread of this process may wait in the kernel on a word that is private to it. False while all threads are green: then no
// wake needs to ask there. Set by src/green.
inline bool kernel_may_wait = true;

// Whether the word at `address`, on which somebody waits while it is `expected`, is woken by green threads alone although the wait is
// not marked private: a thread's id, on which pthread_join waits. Set by src/green.
inline bool (*woken_by_threads)(std::uint64_t address, std::uint32_t expected) noexcept = nullptr;

// The PI operations where green threads are among those who make them; false: this call is none of theirs. Set by src/green.
inline bool (*pi_of_threads)(const door_frame* f, int command, door_answer& a) noexcept = nullptr;

// When a wait ends by itself: `end` nanoseconds of a clock.
struct time_limit {
  static constexpr int hub_clock = -1;  // detail::now
  nanos end = never;
  int clock = hub_clock;
};

// 0 when woken, -EAGAIN when the word is not `expected`, -ETIMEDOUT, -EFAULT, -EINVAL as FUTEX_WAIT_BITSET; or an ended code.
long wait(hub& h, key k, std::uint32_t expected, std::uint32_t bitset, time_limit limit) noexcept;

// Same for a word that other processes, or the kernel itself (a native thread's end), may wake: the kernel waits, by io_uring or by a
// thread.
long wait_shared(hub& h, std::uint64_t address, std::uint32_t expected, std::uint32_t bitset, time_limit limit) noexcept;

// futex_waitv(2) on words that are private to the process, checked already: the index of one that was woken.
long wait_vector(hub& h, const futex_waitv* vector, unsigned count, time_limit limit) noexcept;

// Wakes fibers and native threads: `most` in all, at least one. How many it were; -errno as FUTEX_WAKE_BITSET.
// `own`: hub_at_rest(), see door.hpp. `op` is the futex operation, with its flags, that the kernel is asked for.
long wake_up(hub* own, key k, int op, int most, std::uint32_t bitset) noexcept;

// FUTEX_REQUEUE, and FUTEX_CMP_REQUEUE when `check` is not null. No answer (false): no fiber waits there, the kernel decides.
bool requeue(hub* own, key from, key to, int wake_most, int move_most, const std::uint32_t* check, long& answer) noexcept;

// FUTEX_WAKE_OP with valid, aligned addresses.
long wake_op(hub* own, key first, key second, int wake_most, int wake_most_second, std::uint32_t operation) noexcept;

// FUTEX_LOCK_PI and FUTEX_UNLOCK_PI by a fiber, whose thread id is its OS thread's: a lock that a sibling holds is handed over without
// the word changing owner; one that another thread holds is tried again whenever it is unlocked, and from time to time. `shared` is 0
// or FUTEX_PRIVATE_FLAG.
long lock_pi(hub& h, std::uint64_t address, int shared, time_limit limit) noexcept;
long unlock_pi(hub* own, std::uint64_t address, int shared) noexcept;

// The park of any of these: until one of the `count` nodes has arrived, the limit is reached, or a signal came, if signals may end it.
// Links and takes out nothing. ready, timeout, signalled, or why the park could not be.
enum class signals : std::uint8_t { end_it, wait };
wake park(hub& h, node* const* nodes, unsigned count, time_limit limit, signals s) noexcept;
// What a wait answers that ended by `why`, not by a wake.
long ended_wait(wake why, const time_limit& limit) noexcept;
// Whether the calling fiber may park here at all; if not, nothing may be linked.
bool may_park(hub& h) noexcept;
// After the wait ended without an arrival: takes the node out, or waits for the waker that took it. True: it was woken after all.
bool leave(hub& h, node& n) noexcept;

}  // namespace weft::io::futex
