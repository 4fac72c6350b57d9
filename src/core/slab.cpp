#include "core/slab.hpp"

#include <sys/mman.h>

#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::core {
namespace {

constexpr std::size_t first_run = 64 * 1024;
constexpr std::size_t most_run = 4 * 1024 * 1024;

}  // namespace

slab::~slab() {
  for (unsigned log2 = 0; log2 < 64; ++log2)
    while (free_block* b = free_large_[log2]) {
      free_large_[log2] = b->next;
      sys::unmap(b, std::size_t{1} << log2);
    }
  while (run* r = runs_) {
    runs_ = r->next;
    sys::unmap(r, r->bytes);
  }
}

void* slab::take_fresh(std::size_t index, bool& fresh) noexcept {
  const std::size_t size = index * step;
  if (size % 16 == 0) at_ = reinterpret_cast<char*>(sys::round_up(reinterpret_cast<std::size_t>(at_), 16));
  if (at_ > end_ || static_cast<std::size_t>(end_ - at_) < size) {
    // What is left of the old run is less than one block of this size: lost until the hub ends, never more than a page.
    std::size_t bytes = runs_ == nullptr ? first_run : runs_->bytes * 2;
    if (bytes > most_run) bytes = most_run;
    auto* r = static_cast<run*>(sys::map(bytes));
    if (r == nullptr) r = static_cast<run*>(sys::map(bytes = first_run));  // RLIMIT_AS may leave room for a small one
    if (r == nullptr) return nullptr;
    r->next = runs_;
    r->bytes = bytes;
    runs_ = r;
    at_ = reinterpret_cast<char*>(r) + sizeof(run);
    end_ = reinterpret_cast<char*>(r) + bytes;
  }
  void* block = at_;
  at_ += size;
  fresh = true;
  return block;
}

unsigned slab::large_class(std::size_t size) noexcept { return 64u - static_cast<unsigned>(__builtin_clzll(size - 1)); }

void* slab::take_large(std::size_t size, bool& fresh) noexcept {
  if (size > std::size_t{1} << 46) return nullptr;
  free_block*& head = free_large_[large_class(size)];
  fresh = head == nullptr;
  if (fresh) return sys::map(std::size_t{1} << large_class(size));
  free_block* b = head;
  head = b->next;
  return b;
}

void slab::give_large(void* block, std::size_t size) noexcept {
  // The first page stays, for stale wakers to read; the rest goes back to the kernel.
  const unsigned log2 = large_class(size);
  sys::raw(SYS_madvise, static_cast<char*>(block) + sys::page_size, (std::size_t{1} << log2) - sys::page_size, MADV_DONTNEED);
  auto* b = static_cast<free_block*>(block);
  b->next = free_large_[log2];
  free_large_[log2] = b;
}

}  // namespace weft::core
