// How a wrapper asks Weft: the call's words go to the same handler, in the same frame, as from a rewritten site.
#pragma once

#include <pthread.h>

#include <cerrno>
#include <concepts>

#include "patch/symbols.hpp"

namespace weft::shim {

// What pthread_cancel may end. libc's function looks by itself when the call passes; before an answer of Weft's nobody else would.
enum class cancellation { point, none };

inline long word(const void* pointer) noexcept { return reinterpret_cast<long>(pointer); }
template <std::integral T>
long word(T number) noexcept {
  return static_cast<long>(number);
}

inline patch::handler handler_of(long nr) noexcept {
  patch::handler* table = __atomic_load_n(&patch::weft_symbol_handlers, __ATOMIC_ACQUIRE);
  return table == nullptr ? nullptr : __atomic_load_n(&table[nr], __ATOMIC_ACQUIRE);
}

// True when Weft answered, with the kernel's result; false when the call is libc's to make. Not noexcept: a cancelled thread
// unwinds through here.
template <cancellation is, class... Words>
bool answered(long nr, long& result, Words... words) {
  const patch::handler h = handler_of(nr);
  if (h == nullptr) return false;
  if constexpr (is == cancellation::point) pthread_testcancel();
  const long all[6] = {word(words)...};
  // A function's caller keeps nothing in vector registers: a switch from here saves none.
  patch::call_frame frame{all[0], all[1], all[2], all[3], all[4], all[5], /*vectors=*/0, nr, nullptr, nullptr};
  const patch::verdict v = h(&frame, nr);
  result = v.result;
  return v.pass == 0;
}

// -errno becomes errno and -1.
inline long posix(long result) noexcept {
  if (static_cast<unsigned long>(result) < static_cast<unsigned long>(-4095)) [[likely]]
    return result;
  errno = static_cast<int>(-result);
  return -1;
}

}  // namespace weft::shim
