// One atomic word for each descriptor number, for all hubs: pages of them, made when first needed and kept for good. Lock-free.
#pragma once

#include "sys/atomic.hpp"
#include "sys/mem.hpp"

namespace weft::io {

template <class Value>
class fd_words {
public:
  using word = sys::atomic<Value>;

  // Null when nothing was ever made for numbers near this one.
  word* find(int fd) noexcept {
    const unsigned page = static_cast<unsigned>(fd) >> page_bits;
    if (page >= page_count) return nullptr;
    word* at = pages_[page].load_acquire();
    return at == nullptr ? nullptr : at + (static_cast<unsigned>(fd) & (page_words - 1));
  }

  // Same, made when it is missing (0 at first). Null without memory, and for what is no descriptor number.
  word* find_or_make(int fd) noexcept {
    if (word* w = find(fd); w != nullptr) return w;
    const unsigned page = static_cast<unsigned>(fd) >> page_bits;
    if (page >= page_count) return nullptr;
    auto* fresh = static_cast<word*>(sys::map(page_words * sizeof(word)));
    if (fresh == nullptr) return nullptr;
    word* nobody = nullptr;
    while (!pages_[page].compare_exchange(nobody, fresh))
      if (nobody != nullptr) {
        sys::unmap(fresh, page_words * sizeof(word));
        break;
      }
    return find(fd);
  }

  // Calls fn(fd, word) for the numbers `first` to `last` that have one.
  template <class F>
  void each(unsigned first, unsigned last, F&& fn) {
    for (unsigned page = first >> page_bits; page < page_count && page <= last >> page_bits; ++page) {
      word* at = pages_[page].load_acquire();
      if (at == nullptr) continue;
      for (unsigned i = 0; i < page_words; ++i) {
        const unsigned fd = page << page_bits | i;
        if (fd >= first && fd <= last) fn(static_cast<int>(fd), at[i]);
      }
    }
  }

private:
  static constexpr unsigned page_bits = 12, page_words = 1u << page_bits, page_count = 1u << 12;
  sys::atomic<word*> pages_[page_count];
};

}  // namespace weft::io
