// Signals of files that belong to one thread (fcntl, F_SETOWN_EX).
#pragma once

#include <csignal>

#include "green/signals.hpp"

namespace weft::green {

// What the kernel sends for a file with F_SETSIG: POLL_IN to POLL_HUP, and the descriptor.
inline bool is_files(const siginfo_t& info) noexcept {
  return info.si_signo == tick_signal && info.si_code >= POLL_IN && info.si_code <= POLL_HUP;
}

// Sends on what it stands for. For Weft's code at rest.
void file_signal_came(siginfo_t& info) noexcept;

// In a forked child: the files are the parent's threads'.
void forget_file_owners() noexcept;

}  // namespace weft::green
