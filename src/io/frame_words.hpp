// The words of a call's frame as what the call means by them.
#pragma once

#include "io/dispatch.hpp"
#include "io/offload.hpp"

namespace weft::io {

template <class T>
T* pointer(long word) noexcept {
  return reinterpret_cast<T*>(word);
}
inline int number(long word) noexcept { return static_cast<int>(word); }
inline std::size_t size(long word) noexcept { return static_cast<std::size_t>(word); }

// All six, for a call that is made elsewhere as it is.
inline offload_call whole(const door_frame* f, long nr) noexcept { return call_of(nr, f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9); }

}  // namespace weft::io
