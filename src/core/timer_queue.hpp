// Timers of one hub: a hierarchical wheel in front of a small exact heap.
//
// Most timeouts never fire, so arming and disarming must be O(1): far timers stand in wheel slots of about a millisecond and
// more. A slot whose time nears is poured into a 4-ary heap, which orders the front exactly: nothing fires early, equal
// deadlines fire in the order in which they were armed, and `next_deadline` is exact, as a virtual clock needs.
// The cursor may run ahead of the time (next_deadline pours the next occupied slot): what is armed behind it goes to the heap.
//
// A timer lies on the stack of the fiber that waits, where touching it is a cache and a TLB miss. So a slot is a chain of
// chunks of entries that say all the wheel needs: arming touches only the timer itself, and pouring knows the timers' addresses
// well before it needs them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "weft/detail/runtime.hpp"

namespace weft::core {

using detail::nanos;
using detail::never;
using detail::timer_node;

class timer_queue {
public:
  timer_queue() noexcept;
  ~timer_queue();
  timer_queue(const timer_queue&) = delete;
  timer_queue& operator=(const timer_queue&) = delete;

  // Places the wheel at `now`; before the first timer only.
  void start(nanos now) noexcept { cursor_ = now >> slot_bits; }

  // Arms an idle timer. Without memory for one more the timer is put aside, in a list that costs a look at each of its timers a turn.
  void arm(timer_node& t, nanos deadline) noexcept;
  // Disarms; an idle timer is left alone.
  void disarm(timer_node& t) noexcept;

  bool empty() const noexcept { return in_heap_ == 0 && in_wheel_ == 0; }
  std::size_t size() const noexcept { return in_heap_ + in_wheel_; }
  // The earliest deadline, `never` when there is none.
  nanos next_deadline() noexcept;
  // How many timers stand, or stood when it began, in the front, which is about a millisecond long.
  std::size_t front_size() const noexcept { return in_heap_ > poured_ ? in_heap_ : poured_; }
  // Fires, in order, every timer whose deadline is at or before `now`. A timer armed meanwhile at or before `now` waits for
  // the next call, so that a callback that re-arms itself at once cannot keep the hub here.
  std::size_t expire(nanos now) noexcept;

  // Called for timers that will fire within about a millisecond, a little before they are needed: each first with stage 0, then,
  // when what stage 0 prefetched has come, with stage 1. May read the timer and must change nothing. Null: nobody.
  void (*nearing)(const timer_node& t, int stage) noexcept = nullptr;

private:
  static constexpr unsigned slot_bits = 20;    // 1.05 ms
  // Level 0 reaches 1.07 s: most timers are linked once and poured once. Each level above has 64 slots as wide as all below it.
  static constexpr unsigned low_bits = 10;
  static constexpr unsigned level_bits = 6;
  static constexpr unsigned level_count = 7;   // all 64 bits: a timer beyond the top level would never be found again
  static constexpr unsigned slot_count = (1u << low_bits) + (level_count - 1) * (1u << level_bits);
  static_assert(slot_bits + low_bits + (level_count - 1) * level_bits >= 64);

  // At which bit of a slot number the digit of a level begins.
  static constexpr unsigned shift_of(unsigned level) noexcept { return level == 0 ? 0 : low_bits + (level - 1) * level_bits; }
  static constexpr unsigned size_of(unsigned level) noexcept { return 1u << (level == 0 ? low_bits : level_bits); }
  static constexpr unsigned first_slot(unsigned level) noexcept {
    return level == 0 ? 0 : (1u << low_bits) + (level - 1) * (1u << level_bits);
  }

  struct entry {
    nanos deadline;
    std::uint64_t order;
    timer_node* timer;
    bool before(const entry& o) const noexcept {
      return deadline < o.deadline || (deadline == o.deadline && order < o.order);
    }
  };
  // Entries in the order in which they were armed; a disarmed one has no timer. A chunk without timers is freed at once, so
  // there are never more chunks than armed timers.
  static constexpr unsigned chunk_bytes = 256;
  static constexpr unsigned chunk_entries = 9;
  struct alignas(chunk_bytes) chunk {
    chunk* next;
    chunk* prev;
    std::uint32_t used;  // entries from the first that were ever used
    std::uint32_t live;
    std::uint32_t slot;
    entry entries[chunk_entries];
  };
  static_assert(sizeof(chunk) == chunk_bytes);
  struct slot {
    chunk* first;
    chunk* last;
  };
  struct region {
    region* next;
    std::size_t bytes;
    chunk *fresh, *fresh_end;  // never used yet, while the region waits to be the one of fresh_
  };

  // Which slot a deadline's slot number belongs to, seen from the cursor.
  unsigned slot_for(std::uint64_t at) const noexcept;
  // The first occupied slot of `level` at index `from` or later; size_of(level) when there is none.
  unsigned next_occupied(unsigned level, unsigned from) const noexcept;
  void mark(unsigned s) noexcept { occupied_[s / 64] |= std::uint64_t{1} << s % 64; }
  void unmark(unsigned s) noexcept { occupied_[s / 64] &= ~(std::uint64_t{1} << s % 64); }
  bool is_marked(unsigned s) const noexcept { return occupied_[s / 64] >> s % 64 & 1; }
  void place(const entry& e) noexcept;
  nanos front() noexcept;
  void take_from_aside(const timer_node& t) noexcept;
  timer_node* earliest_aside() noexcept;
  std::size_t expire_aside(nanos now) noexcept;
  void pour(unsigned s) noexcept;
  bool advance() noexcept;
  static chunk* chunk_of(entry* e) noexcept {
    return reinterpret_cast<chunk*>(reinterpret_cast<std::uintptr_t>(e) & ~std::uintptr_t{chunk_bytes - 1});
  }
  chunk* append_chunk(unsigned s) noexcept;
  void remove_chunk(chunk* c) noexcept;
  bool reserve(std::size_t timers) noexcept;
  bool chunks_reserve(std::size_t n) noexcept;
  void next_region() noexcept;
  bool heap_reserve(std::size_t n) noexcept;
  void heap_remove(std::size_t i) noexcept;
  void heap_up(std::size_t i, entry e) noexcept;
  void heap_down(std::size_t i, entry e) noexcept;
  void heap_set(std::size_t i, const entry& e) noexcept;

  entry* heap_ = nullptr;
  std::size_t in_heap_ = 0, heap_capacity_ = 0;
  std::size_t in_wheel_ = 0;  // those put aside included
  timer_node* aside_ = nullptr;
  std::uint64_t cursor_ = 0;  // first slot number that has not been poured
  std::uint64_t next_order_ = 0;
  std::size_t poured_ = 0;    // size of the heap after the last pour
  nanos expiring_ = 0;        // while `expire` runs: its `now`
  chunk* free_chunks_ = nullptr;
  chunk* fresh_ = nullptr;    // never used yet, up to fresh_end_
  chunk* fresh_end_ = nullptr;
  region* regions_ = nullptr;
  std::size_t chunks_ = 0;    // in all regions
  std::uint64_t occupied_[slot_count / 64];  // a bit a slot
  slot wheel_[slot_count];                   // level by level
};

}  // namespace weft::core
