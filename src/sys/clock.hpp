// The clocks, read through the vDSO (29 ns) without libc; by system call where there is no vDSO.
#pragma once

#include <cstdint>
#include <ctime>

namespace weft::sys {

inline constexpr std::uint64_t ns_per_s = 1'000'000'000;

// CLOCK_MONOTONIC in nanoseconds.
std::uint64_t monotonic_ns() noexcept;

// The same by system call (113 ns): for what asks a few times at a program's start, where finding the vDSO's symbol costs 40 us.
std::uint64_t monotonic_ns_by_call() noexcept;

// Nanoseconds of any clock that clock_gettime takes.
std::uint64_t clock_ns(int clock) noexcept;

// Cycle counter: cheap, unordered, only good for "has it been a while?".
inline std::uint64_t cycles() noexcept {
  std::uint32_t lo, hi;
  asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
  return std::uint64_t{hi} << 32 | lo;
}

inline timespec to_timespec(std::uint64_t ns) noexcept {
  return {static_cast<time_t>(ns / ns_per_s), static_cast<long>(ns % ns_per_s)};
}

}  // namespace weft::sys
