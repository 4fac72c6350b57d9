// Records that come and go: those given back are taken again, new ones are made `Bytes` at a time of zeroed memory, which is kept.
#pragma once

#include <cstddef>

#include "sys/mem.hpp"

namespace weft::sys {

// `Next` links the unused ones. Not for several OS threads at once.
template <class T, T* T::*Next, std::size_t Bytes = page_size>
class free_list {
public:
  // As it was given back, or zeroed; null: no memory.
  T* take() noexcept {
    static_assert(sizeof(T) <= Bytes);
    if (unused_ == nullptr) {
      auto* fresh = static_cast<T*>(map(Bytes));
      if (fresh == nullptr) return nullptr;
      for (std::size_t i = 0; i < Bytes / sizeof(T); ++i) give(&fresh[i]);
    }
    T* t = unused_;
    unused_ = t->*Next;
    return t;
  }
  void give(T* t) noexcept {
    t->*Next = unused_;
    unused_ = t;
  }

private:
  T* unused_ = nullptr;
};

}  // namespace weft::sys
