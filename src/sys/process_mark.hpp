// Facts about this process that a fork must not copy: they lie in a page that the kernel hands to a forked child as zeroes
// (MADV_WIPEONFORK), whatever made the child. A child that borrows this memory (vfork) sees its parent's.
#pragma once

#include "sys/atomic.hpp"
#include "sys/spin_lock.hpp"

namespace weft::sys {

struct process_mark {
  atomic<unsigned> pid;             // of the process whose memory this is; 0 until somebody asked
  atomic<unsigned> poller_renewed;  // see first_renewal
  spin_word actions_lock;           // io/signal_actions.cpp
};

// Made on first use. Without memory for it: a plain object, which a child takes for its own.
process_mark& this_process() noexcept;

// In a forked child, true the first time: two ways lead to giving it a poller of its own (libc's fork, and the call behind it).
bool first_renewal() noexcept;

// Whether the calling thread is of the process that owns this memory: false in a child between vfork and exec.
bool owns_memory() noexcept;

}  // namespace weft::sys
