// Accesses to a program's memory that may fault, at two known instructions: who handles the fault can make them fail instead.
#pragma once

#include <cstdint>

extern "C" {
// 1, or 0 when the word cannot be read.
[[gnu::visibility("hidden")]] int weft_load_word(const void* at, std::uint32_t* value) noexcept;
// 1: exchanged; 0: `expected` holds what was there instead; -1: the word cannot be written.
[[gnu::visibility("hidden")]] int weft_exchange_word(void* at, std::uint32_t* expected, std::uint32_t desired) noexcept;

[[gnu::visibility("hidden")]] extern const char weft_load_word_access[], weft_load_word_failed[];
[[gnu::visibility("hidden")]] extern const char weft_exchange_word_access[], weft_exchange_word_failed[];
}

namespace weft::sys {

// Where to go on when the instruction at `pc` has faulted; 0 when it is none of the two.
inline std::uint64_t after_fault(std::uint64_t pc) noexcept {
  if (pc == reinterpret_cast<std::uint64_t>(weft_load_word_access)) return reinterpret_cast<std::uint64_t>(weft_load_word_failed);
  if (pc == reinterpret_cast<std::uint64_t>(weft_exchange_word_access))
    return reinterpret_cast<std::uint64_t>(weft_exchange_word_failed);
  return 0;
}

}  // namespace weft::sys
