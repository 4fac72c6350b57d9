// A look at an OS thread from another one: in which system call it waits, and where it stands, by a signal that its thread answers.
//
// One probe at a time. What the signal's handler does is async-signal-safe; a thread that blocks the signal, or hangs where no signal
// reaches it, does not answer, and its late answer is harmless.
#pragma once

#include <cstdint>

#include "core/backtrace.hpp"
#include "core/hub.hpp"

namespace weft::core {

struct probe_answer {
  bool answered = false;
  bool same = false;             // the hub has not gone on since the progress that was asked about; else nothing below is known
  const void* fiber = nullptr;
  const void* site = nullptr;    // where it was spawned
  char name[64] = {};
  frames trace;
  int first = 0;                 // the interrupted frame; those before it are the signal's
};

// The system call in which thread `tid` of this process waits; -1 when it computes (or in no call that /proc would know).
long waiting_in(int tid) noexcept;
// "flock"; null for a number that the kernel headers did not know.
const char* system_call_name(long nr) noexcept;

// Things done by the hub that switches and polls count: as long as this stands still, so does the hub.
inline std::uint64_t progress_of(const hub& h) noexcept {
  return __atomic_load_n(&h.stats.parks, __ATOMIC_RELAXED) + __atomic_load_n(&h.stats.other_switches, __ATOMIC_RELAXED) +
         __atomic_load_n(&h.stats.polls, __ATOMIC_RELAXED);
}

// Asks the hub's thread, which has stood still for `lasted`, what it is doing. Waits at most a fifth of a second for the answer.
probe_answer probe(hub& h, int tid, std::uint64_t progress, nanos lasted) noexcept;
// To be called once, outside of any signal handler, before the first probe.
void prepare_probe() noexcept;

}  // namespace weft::core
