#include "core/fd_table.hpp"

#include <new>

#include "sys/mem.hpp"

namespace weft::core {

fd_table::~fd_table() {
  if (pages_ == nullptr) return;
  for (unsigned p = 0; p < page_count_; ++p)
    if (pages_[p] != nullptr) sys::unmap(pages_[p], sizeof(fd_entry) << page_bits);
  sys::unmap(pages_, page_count_ * sizeof *pages_);
}

fd_entry* fd_table::make(int fd) noexcept {
  if (fd < 0 || fd >= limit) return nullptr;
  const auto page = static_cast<unsigned>(fd) >> page_bits;
  if (page >= page_count_) {
    unsigned count = page_count_ == 0 ? 512 : page_count_;
    while (count <= page) count *= 2;
    auto** bigger = static_cast<fd_entry**>(sys::map(count * sizeof *pages_));
    if (bigger == nullptr) return nullptr;
    if (pages_ != nullptr) {
      sys::copy(bigger, pages_, page_count_ * sizeof *pages_);
      sys::unmap(pages_, page_count_ * sizeof *pages_);
    }
    pages_ = bigger;
    page_count_ = count;
  }
  auto* entries = static_cast<fd_entry*>(sys::map(sizeof(fd_entry) << page_bits));
  if (entries == nullptr) return nullptr;
  for (unsigned i = 0; i <= page_mask; ++i) new (&entries[i]) fd_entry;
  pages_[page] = entries;
  return &entries[static_cast<unsigned>(fd) & page_mask];
}

}  // namespace weft::core
