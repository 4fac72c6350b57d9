// Small blocks for one hub: fibers, mostly. Free lists by size over mmap'ed runs; no locks, no malloc.
//
// Type-stable: a block's memory is never unmapped nor given to another size while the hub lives, so a stale waker may read the
// `epoch` of a fiber that has gone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::core {

class slab {
public:
  static constexpr std::size_t step = 8;
  static constexpr std::size_t largest = 4096;

  slab() noexcept = default;
  ~slab();
  slab(const slab&) = delete;
  slab& operator=(const slab&) = delete;

  // A block of at least `size` bytes, aligned to 16 when `size` is a multiple of 16, else to 8, contents unspecified; null when
  // the kernel gives no memory.
  // `fresh` tells a block that was never used (all zero).
  void* take(std::size_t size, bool& fresh) noexcept {
    const std::size_t index = (size + step - 1) / step;
    if (index > largest / step) return take_large(size, fresh);
    free_block*& head = free_[index];
    if (head == nullptr) return take_fresh(index, fresh);
    free_block* b = head;
    head = b->next;
    fresh = false;
    return b;
  }
  // A block that was used before; null when there is none, or it is one of the large ones.
  void* take_used(std::size_t size) noexcept {
    const std::size_t index = (size + step - 1) / step;
    if (index > largest / step) [[unlikely]]
      return nullptr;
    free_block* b = free_[index];
    if (b != nullptr) [[likely]]
      free_[index] = b->next;
    return b;
  }
  void give(void* block, std::size_t size) noexcept {
    const std::size_t index = (size + step - 1) / step;
    if (index > largest / step) return give_large(block, size);
    auto* b = static_cast<free_block*>(block);
    b->next = free_[index];
    free_[index] = b;
  }

private:
  struct free_block {
    free_block* next;
  };
  struct run {
    run* next;
    std::size_t bytes;
  };
  void* take_fresh(std::size_t index, bool& fresh) noexcept;
  void* take_large(std::size_t size, bool& fresh) noexcept;
  void give_large(void* block, std::size_t size) noexcept;

  static unsigned large_class(std::size_t size) noexcept;

  free_block* free_[largest / step + 1] = {};
  free_block* free_large_[64] = {};  // by the power of two that holds the block
  run* runs_ = nullptr;
  char* at_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace weft::core
