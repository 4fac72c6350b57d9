// Stacks of one hub: slots in large reserved mappings, touched lazily, kept LIFO so that they are warm.
//
// A guard below each slot turns an overflow into a report (overflow.cpp): by MADV_GUARD_INSTALL where the kernel has it (no
// extra mapping), else by mprotect until vm.max_map_count nears, else by a canary that is checked when the stack is given back.
// Stack tops are staggered: page-aligned tops compete for the same cache sets (8% at 10,000 connections).
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::detail {

// The descriptor of one slot, apart from the slot so that an idle stack's pages need not be touched.
struct stack {
  stack* next_free;
  char* base;  // lowest address, where the guard is; low bits are marks (stack_pool.cpp)
};

}  // namespace weft::detail

namespace weft::inspect {
struct layout_access;  // src/inspect/debug_layout.cpp
}

namespace weft::core {

using detail::stack;

class stack_pool {
public:
  static constexpr unsigned smallest_log2 = 14, largest_log2 = 30;
  static constexpr unsigned default_log2 = 18;

  stack_pool() noexcept = default;
  ~stack_pool();
  stack_pool(const stack_pool&) = delete;
  stack_pool& operator=(const stack_pool&) = delete;

  // The size class for a wanted size in bytes (rounded up to a power of two between 16 KiB and 1 GiB).
  static unsigned size_class(std::size_t bytes) noexcept;

  // A stack of 2^log2 bytes; null when the address space or mappings have run out (reported once, with what to do).
  stack* take(unsigned log2) noexcept {
    stack* s = take_warm(log2, [](const stack*) noexcept { return true; });
    return s != nullptr ? s : take_slow(log2);
  }
  // The same when nothing has to be done to the stack first, and `wanted` says so of it; null otherwise.
  template <class Wanted>
  [[gnu::always_inline]] stack* take_warm(unsigned log2, Wanted&& wanted) noexcept {
    size_list& list = lists_[log2];
    stack* s = list.free;
    if (s == nullptr || (reinterpret_cast<std::uintptr_t>(s->base) & 7) != 0 || !wanted(s)) [[unlikely]]
      return nullptr;
    list.free = s->next_free;
    if (--list.free_count < list.idle_low) list.idle_low = list.free_count;
    if (++in_use_ > most_in_use_) most_in_use_ = in_use_;
    return s;
  }
  void give(stack* s, unsigned log2) noexcept {
    if (reinterpret_cast<std::uintptr_t>(s->base) & 1) [[unlikely]]
      check_canary(s, log2);
    size_list& list = lists_[log2];
    s->next_free = list.free;
    list.free = s;
    ++list.free_count;
    --in_use_;
  }
  // False when neither a free stack nor room for another exists now.
  bool could_take(unsigned log2) noexcept;

  // First address above the usable part of the stack, staggered, 16-byte aligned.
  static char* top(const stack* s, unsigned log2) noexcept {
    const auto base = reinterpret_cast<std::uintptr_t>(bottom(s));
    // 16 lines of 64 bytes: at most 960 bytes of the top page, so that a fiber that only waits still fits into it (with 32 lines, a
    // third of 100,000 sleepers touched a second page).
    return reinterpret_cast<char*>(base + (std::size_t{1} << log2) - (base >> log2 & 15) * 64);
  }
  // Lowest address of the slot, guard included.
  static char* bottom(const stack* s) noexcept {
    return reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(s->base) & ~std::uintptr_t{7});
  }
  // Whether nothing was written to the stack since the kernel gave its pages; forgets it. (Reading such a page first would cost a
  // second page fault.)
  static bool take_untouched(stack* s) noexcept {
    const auto base = reinterpret_cast<std::uintptr_t>(s->base);
    s->base = reinterpret_cast<char*>(base & ~std::uintptr_t{4});
    return (base & 4) != 0;
  }

  // Returns pages of stacks that lay idle since the last call to the kernel; for when there is nothing else to do.
  enum class trimmed : std::uint8_t {
    all,    // until stacks are used again there is nothing to do
    some,   // more could be done at once
    later,  // stacks became idle since the last call: a later one may find that they still are
  };
  trimmed trim() noexcept;

  std::size_t in_use() const noexcept { return in_use_; }
  std::size_t most_in_use() const noexcept { return most_in_use_; }

  // Whether `address` lies in the guard of a slot, or just below one; the slot's size goes to `size`.
  bool in_guard(const void* address, std::size_t& size) const noexcept;

private:
  friend struct inspect::layout_access;
  struct chunk {
    chunk* next;
    char* base;
    std::size_t bytes;     // of the slots
    std::size_t reserved;  // of the mapping, descriptors included
    std::size_t used;      // slots handed out at least once
    std::size_t slots;
    unsigned log2;
    stack* descriptors;
  };
  struct size_list {
    stack* free = nullptr;
    std::size_t free_count = 0;
    std::size_t idle_low = 0;  // fewest free since the last trim: those were not needed
    std::size_t trimmed = 0;   // of the free ones, at the bottom
    chunk* current = nullptr;
    std::size_t next_slots = 0;
  };

  stack* take_slow(unsigned log2) noexcept;
  static void check_canary(const stack* s, unsigned log2) noexcept;
  bool grow(unsigned log2) noexcept;
  void report_exhausted(unsigned log2) noexcept;
  void install_guard(stack* s, unsigned log2) noexcept;

  size_list lists_[largest_log2 + 1];
  chunk* chunks_ = nullptr;
  std::size_t in_use_ = 0, most_in_use_ = 0;
  std::size_t mprotected_ = 0;
  bool reported_ = false;
};

}  // namespace weft::core
