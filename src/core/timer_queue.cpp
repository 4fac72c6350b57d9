#include "core/timer_queue.hpp"

#include "sys/mem.hpp"

namespace weft::core {
namespace {

constexpr std::uint32_t idle = 0, in_wheel = 1, heap_base = 2;

}  // namespace

timer_queue::timer_queue() noexcept {
  sys::fill(occupied_, 0, sizeof occupied_);
  sys::fill(wheel_, 0, sizeof wheel_);
}

timer_queue::~timer_queue() {
  if (heap_ != nullptr) sys::unmap(heap_, heap_capacity_ * sizeof(entry));
}

bool timer_queue::arm(timer_node& t, nanos deadline) noexcept {
  // Room in the heap for every armed timer is kept ahead, so that pouring a slot can never fail.
  if (!heap_reserve(in_heap_ + in_wheel_ + 1)) return false;
  // A callback's timer that is due already goes behind all that were due before it, or it would keep them from firing.
  t.deadline = deadline < expiring_ ? expiring_ : deadline;
  t.order = next_order_++;
  link(t);
  return true;
}

unsigned timer_queue::slot_for(std::uint64_t at) const noexcept {
  // The level is the highest digit in which the slot number differs from the cursor's: its slot there lies ahead, and everything
  // below it is reached by cascading when the cursor gets there.
  const std::uint64_t differ = at ^ cursor_;
  unsigned level = 0;
  if (differ >> low_bits != 0) level = (63u - static_cast<unsigned>(__builtin_clzll(differ)) - low_bits) / level_bits + 1;
  return first_slot(level) + static_cast<unsigned>(at >> shift_of(level) & (size_of(level) - 1));
}

unsigned timer_queue::next_occupied(unsigned level, unsigned from) const noexcept {
  const unsigned size = size_of(level), first = first_slot(level);
  if (from >= size) return size;
  std::uint64_t word = occupied_[(first + from) / 64] >> from % 64 << from % 64;
  for (unsigned base = from / 64 * 64;;) {
    if (word != 0) return base + static_cast<unsigned>(__builtin_ctzll(word));
    if ((base += 64) >= size) return size;
    word = occupied_[(first + base) / 64];
  }
}

void timer_queue::link(timer_node& t) noexcept {
  const std::uint64_t at = t.deadline >> slot_bits;
  if (at < cursor_) {
    heap_push(t);
    return;
  }
  const unsigned index = slot_for(at);
  slot& s = wheel_[index];
  t.position = in_wheel;
  t.next = nullptr;
  t.prev = s.last;
  (s.last != nullptr ? s.last->next : s.first) = &t;
  s.last = &t;
  mark(index);
  ++in_wheel_;
}

void timer_queue::disarm(timer_node& t) noexcept {
  if (t.position == idle) return;
  if (t.position == in_wheel) {
    if (t.prev != nullptr && t.next != nullptr) {
      t.prev->next = t.next;
      t.next->prev = t.prev;
    } else {
      // An end of its list. The slot follows from the cursor exactly as when it was linked or cascaded, because a list is emptied
      // whenever the cursor enters its range.
      const unsigned index = slot_for(t.deadline >> slot_bits);
      slot& s = wheel_[index];
      (t.prev != nullptr ? t.prev->next : s.first) = t.next;
      (t.next != nullptr ? t.next->prev : s.last) = t.prev;
      if (s.first == nullptr) unmark(index);
    }
    --in_wheel_;
  } else {
    heap_remove(t.position - heap_base);
  }
  t.position = idle;
  t.next = t.prev = nullptr;
}

void timer_queue::pour(unsigned index) noexcept {
  slot& s = wheel_[index];
  unmark(index);
  timer_node* t = s.first;
  s.first = s.last = nullptr;
  while (t != nullptr) {
    timer_node* next = t->next;
    if (next != nullptr) __builtin_prefetch(next);  // each lies on the stack of another fiber
    --in_wheel_;
    link(*t);
    t = next;
  }
}

// Moves the cursor to just past the next occupied slot and pours that one into the heap.
bool timer_queue::advance() noexcept {
  if (in_wheel_ == 0) return false;
  for (;;) {
    const unsigned found = next_occupied(0, static_cast<unsigned>(cursor_ & (size_of(0) - 1)));
    if (found < size_of(0)) {
      const std::uint64_t old = cursor_;
      cursor_ = (cursor_ >> low_bits << low_bits) + found + 1;
      pour(found);
      // Stepping over the end of the level enters a new range of the levels above: bring its timers down now, or they would be
      // looked for in the wrong list.
      const std::uint64_t entered = cursor_ ^ old;
      for (unsigned level = 1; level < level_count && entered >> shift_of(level) != 0; ++level) {
        const unsigned s = first_slot(level) + static_cast<unsigned>(cursor_ >> shift_of(level) & (size_of(level) - 1));
        if (is_marked(s)) pour(s);
      }
      return true;
    }
    // Nothing more on level 0: go to the next occupied slot of the lowest level that has one ahead.
    unsigned level = 1;
    for (; level < level_count; ++level) {
      const auto i = static_cast<unsigned>(cursor_ >> shift_of(level) & (size_of(level) - 1));
      const unsigned later = next_occupied(level, i + 1);
      if (later == size_of(level)) continue;
      const unsigned above = shift_of(level) + level_bits;
      cursor_ = cursor_ >> above << above | std::uint64_t{later} << shift_of(level);
      pour(first_slot(level) + later);
      break;
    }
    if (level == level_count) return false;
  }
}

nanos timer_queue::next_deadline() noexcept {
  while (in_heap_ == 0)
    if (!advance()) return never;
  // A wheel slot at or after the cursor cannot hold anything earlier than what was poured.
  return heap_[0].deadline;
}

std::size_t timer_queue::expire(nanos now) noexcept {
  const std::uint64_t armed_before = next_order_;
  std::size_t fired = 0;
  expiring_ = now;
  while (next_deadline() <= now && heap_[0].order < armed_before) {
    timer_node& t = *heap_[0].timer;
    disarm(t);
    ++fired;
    t.fire(&t);
  }
  expiring_ = 0;
  return fired;
}

bool timer_queue::heap_reserve(std::size_t n) noexcept {
  if (n <= heap_capacity_) return true;
  const std::size_t capacity = heap_capacity_ == 0 ? sys::page_size * 2 / sizeof(entry) : heap_capacity_ * 2;
  auto* bigger = static_cast<entry*>(sys::map(capacity * sizeof(entry)));
  if (bigger == nullptr) return false;
  if (heap_ != nullptr) {
    sys::copy(bigger, heap_, in_heap_ * sizeof(entry));
    sys::unmap(heap_, heap_capacity_ * sizeof(entry));
  }
  heap_ = bigger;
  heap_capacity_ = capacity;
  return true;
}

void timer_queue::heap_set(std::size_t i, const entry& e) noexcept {
  heap_[i] = e;
  e.timer->position = static_cast<std::uint32_t>(i) + heap_base;
}

void timer_queue::heap_push(timer_node& t) noexcept {
  t.next = t.prev = nullptr;
  heap_up(in_heap_++, {t.deadline, t.order, &t});
}

void timer_queue::heap_remove(std::size_t i) noexcept {
  const entry last = heap_[--in_heap_];
  if (i == in_heap_) return;
  if (i > 0 && last.before(heap_[(i - 1) / 4]))
    heap_up(i, last);
  else
    heap_down(i, last);
}

void timer_queue::heap_up(std::size_t i, entry e) noexcept {
  while (i > 0) {
    const std::size_t up = (i - 1) / 4;
    if (!e.before(heap_[up])) break;
    heap_set(i, heap_[up]);
    i = up;
  }
  heap_set(i, e);
}

void timer_queue::heap_down(std::size_t i, entry e) noexcept {
  for (;;) {
    const std::size_t first = i * 4 + 1;
    if (first >= in_heap_) break;
    std::size_t least = first;
    for (std::size_t c = first + 1; c < first + 4 && c < in_heap_; ++c)
      if (heap_[c].before(heap_[least])) least = c;
    if (!heap_[least].before(e)) break;
    heap_set(i, heap_[least]);
    i = least;
  }
  heap_set(i, e);
}

}  // namespace weft::core
