// Raw system calls by Weft's own `syscall` instruction.
//
// This is the only way down from the freestanding layers: a call made here can never be a site that Weft itself rewrote, so
// Weft never re-enters its own doors, whatever was patched. Results are the kernel's: >= 0, or -errno. errno is not touched.
// x86-64 only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/syscall.h>
#include <type_traits>

namespace weft::sys {

inline long call(long nr) noexcept {
  long ret;
  asm volatile("syscall" : "=a"(ret) : "a"(nr) : "rcx", "r11", "memory");
  return ret;
}

inline long call6(long nr, long a, long b, long c, long d, long e, long f) noexcept {
  long ret;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(ret)
               : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return ret;
}

inline long call1(long nr, long a) noexcept {
  long ret;
  asm volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a) : "rcx", "r11", "memory");
  return ret;
}

inline long call3(long nr, long a, long b, long c) noexcept {
  long ret;
  asm volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return ret;
}

inline long call4(long nr, long a, long b, long c, long d) noexcept {
  long ret;
  register long r10 asm("r10") = d;
  asm volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return ret;
}

namespace detail {
template <class T>
long word(T value) noexcept {
  if constexpr (std::is_null_pointer_v<T>)
    return 0;
  else if constexpr (std::is_pointer_v<T>)
    return reinterpret_cast<long>(value);
  else
    return static_cast<long>(value);
}
}  // namespace detail

#ifdef WEFT_FAULTS
// A build for tests/faults, in which the tests' injector makes the calls, or lets them fail. Another name than the usual raw, so that
// objects of both builds can stand in one program. New threads and processes cannot come back through it.
extern "C" long weft_fault_call(long nr, const long* six) noexcept;
inline namespace faulty {
#endif

// Makes system call `nr` with up to six words or pointers; the kernel's answer, -errno on failure.
template <class... Args>
long raw(long nr, Args... args) noexcept {
  static_assert(sizeof...(Args) <= 6);
  const long words[] = {detail::word(args)..., 0};
#ifdef WEFT_FAULTS
  if (nr != SYS_clone && nr != SYS_clone3 && nr != SYS_fork && nr != SYS_vfork) {
    long six[6] = {};
    for (std::size_t i = 0; i < sizeof...(Args); ++i) six[i] = words[i];
    return weft_fault_call(nr, six);
  }
#endif
  if constexpr (sizeof...(Args) == 0)
    return call(nr);
  else if constexpr (sizeof...(Args) == 1)
    return call1(nr, words[0]);
  else if constexpr (sizeof...(Args) == 2)
    return call3(nr, words[0], words[1], 0);
  else if constexpr (sizeof...(Args) == 3)
    return call3(nr, words[0], words[1], words[2]);
  else if constexpr (sizeof...(Args) == 4)
    return call4(nr, words[0], words[1], words[2], words[3]);
  else if constexpr (sizeof...(Args) == 5)
    return call6(nr, words[0], words[1], words[2], words[3], words[4], 0);
  else
    return call6(nr, words[0], words[1], words[2], words[3], words[4], words[5]);
}

#ifdef WEFT_FAULTS
}  // namespace faulty
#endif

}  // namespace weft::sys
