// The list of robust mutexes that a thread holds, as libc lays it out in the program's memory (get_robust_list(2)).
#pragma once

#include <linux/futex.h>

#include "green/thread.hpp"

namespace weft::green {

struct robust_head {
  std::uint64_t first;
  std::int64_t word_offset;  // from an entry to its futex
  std::uint64_t pending;     // being locked or unlocked
};
static_assert(sizeof(robust_head) == sizeof(robust_list_head));

inline constexpr std::uint64_t robust_is_pi = 1;  // in an entry's address
inline constexpr int most_robust = 2048;          // ROBUST_LIST_LIMIT

inline std::uint64_t robust_word(const robust_head& h, std::uint64_t entry) noexcept {
  return (entry & ~robust_is_pi) + static_cast<std::uint64_t>(h.word_offset);
}

// Where a thread's is; 0: nowhere.
std::uint64_t robust_list_of(const thread& t) noexcept;

// ---- robust_exec.cpp
// The process is about to execute another program: what its threads hold, other processes are to hear of.
void robust_before_exec() noexcept;
void robust_after_exec() noexcept;  // it failed

}  // namespace weft::green
