// A lock that is held for moments, by threads that wait for nobody meanwhile: who finds it taken gives its processor away until it is free.
// For a thread that may be interrupted while it holds one there is masked_spin_guard.
#pragma once

#include <csignal>
#include <cstdint>

#include "sys/atomic.hpp"
#include "sys/syscall.hpp"

namespace weft::sys {

using spin_word = atomic<std::uint32_t>;  // 0: free, as in a forked child it has to be made

class spin_guard {
public:
  explicit spin_guard(spin_word& word) noexcept : word_(word) {
    while (word.exchange(1) != 0) raw(SYS_sched_yield);
  }
  ~spin_guard() { word_.store_release(0); }
  spin_guard(const spin_guard&) = delete;
  spin_guard& operator=(const spin_guard&) = delete;

private:
  spin_word& word_;
};

// The same with all signals blocked: a handler on top of the owner that wants the lock, too, would wait for ever.
class masked_spin_guard {
public:
  explicit masked_spin_guard(spin_word& word) noexcept : word_(word) {
    const std::uint64_t all = ~std::uint64_t{0};
    raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before_, sizeof before_);
    while (word.exchange(1) != 0) raw(SYS_sched_yield);
  }
  ~masked_spin_guard() {
    word_.store_release(0);
    raw(SYS_rt_sigprocmask, SIG_SETMASK, &before_, nullptr, sizeof before_);
  }
  masked_spin_guard(const masked_spin_guard&) = delete;
  masked_spin_guard& operator=(const masked_spin_guard&) = delete;

private:
  spin_word& word_;
  std::uint64_t before_ = 0;
};

}  // namespace weft::sys
