// Records that come and go: those given back are taken again, new ones are made `Bytes` at a time of zeroed memory, which is kept.
#pragma once

#include <cstddef>

#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {

// `Next` links the unused ones. Not for several OS threads at once.
template <class T, T* T::*Next, std::size_t Bytes = sys::page_size>
class free_list {
public:
  // As it was given back, or zeroed; null: no memory.
  T* take() noexcept {
    if (unused_ == nullptr) {
      auto* fresh = static_cast<T*>(sys::map(Bytes));
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

}  // namespace weft::green
