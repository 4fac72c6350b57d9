#include "core/timer_queue.hpp"

#include "sys/mem.hpp"

namespace weft::core {
namespace {

constexpr std::uint32_t idle = 0, in_wheel = 1, heap_base = 2, put_aside = ~std::uint32_t{0};

}  // namespace

timer_queue::timer_queue() noexcept {
  sys::fill(occupied_, 0, sizeof occupied_);
  sys::fill(wheel_, 0, sizeof wheel_);
}

timer_queue::~timer_queue() {
  if (heap_ != nullptr) sys::unmap(heap_, heap_capacity_ * sizeof(entry));
  while (region* r = regions_) {
    regions_ = r->next;
    sys::unmap(r, r->bytes);
  }
}

void timer_queue::arm(timer_node& t, nanos deadline) noexcept {
  // A callback's timer that is due already goes behind all that were due before it, or it would keep them from firing.
  t.deadline = deadline < expiring_ ? expiring_ : deadline;
  if (reserve(in_heap_ + in_wheel_ + 1)) [[likely]] {
    place({t.deadline, next_order_++, &t});
    return;
  }
  t.position = put_aside;
  t.place = aside_;
  aside_ = &t;
  ++in_wheel_;
}

void timer_queue::take_from_aside(const timer_node& t) noexcept {
  timer_node* before = nullptr;
  for (timer_node* other = aside_; other != &t; other = static_cast<timer_node*>(other->place)) before = other;
  if (before != nullptr)
    before->place = t.place;
  else
    aside_ = static_cast<timer_node*>(t.place);
  --in_wheel_;
}

// Null when all that were put aside have found room by now.
timer_node* timer_queue::earliest_aside() noexcept {
  while (aside_ != nullptr && reserve(in_heap_ + in_wheel_ + 1)) {
    timer_node& t = *aside_;
    take_from_aside(t);
    place({t.deadline, next_order_++, &t});
  }
  timer_node* first = aside_;
  for (timer_node* t = aside_; t != nullptr; t = static_cast<timer_node*>(t->place))
    if (t->deadline < first->deadline) first = t;
  return first;
}

std::size_t timer_queue::expire_aside(nanos now) noexcept {
  std::size_t due = 0, fired = 0;
  for (const timer_node* t = aside_; t != nullptr; t = static_cast<timer_node*>(t->place)) due += t->deadline <= now;
  for (; due > 0; --due) {
    timer_node* t = earliest_aside();
    if (t == nullptr || t->deadline > now) break;
    disarm(*t);
    ++fired;
    t->fire(t);
  }
  return fired;
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

void timer_queue::place(const entry& e) noexcept {
  const std::uint64_t at = e.deadline >> slot_bits;
  if (at < cursor_) {
    heap_up(in_heap_++, e);
    return;
  }
  const unsigned index = slot_for(at);
  chunk* c = wheel_[index].last;
  if (c == nullptr || c->used == chunk_entries) c = append_chunk(index);
  entry& to = c->entries[c->used++];
  to = e;
  ++c->live;
  ++in_wheel_;
  e.timer->position = in_wheel;
  e.timer->place = &to;
}

void timer_queue::disarm(timer_node& t) noexcept {
  if (t.position == idle) return;
  if (t.position == in_wheel) {
    auto* e = static_cast<entry*>(t.place);
    chunk* c = chunk_of(e);
    e->timer = nullptr;
    --in_wheel_;
    if (--c->live == 0)
      remove_chunk(c);
    else if (e == &c->entries[c->used - 1])
      --c->used;  // the usual case: armed and disarmed again
  } else if (t.position == put_aside) [[unlikely]] {
    take_from_aside(t);
  } else {
    heap_remove(t.position - heap_base);
  }
  t.position = idle;
}

timer_queue::chunk* timer_queue::append_chunk(unsigned index) noexcept {
  chunk* c = free_chunks_;
  if (c != nullptr) {
    free_chunks_ = c->next;
  } else {
    if (fresh_ == fresh_end_) [[unlikely]]
      next_region();  // `reserve` saw to it that there is one
    c = fresh_++;
  }
  slot& s = wheel_[index];
  c->next = nullptr;
  c->prev = s.last;
  c->used = c->live = 0;
  c->slot = index;
  if (s.last == nullptr) {
    s.first = c;
    mark(index);
  } else {
    s.last->next = c;
  }
  s.last = c;
  return c;
}

void timer_queue::remove_chunk(chunk* c) noexcept {
  slot& s = wheel_[c->slot];
  (c->prev != nullptr ? c->prev->next : s.first) = c->next;
  (c->next != nullptr ? c->next->prev : s.last) = c->prev;
  if (s.first == nullptr) unmark(c->slot);
  c->next = free_chunks_;
  free_chunks_ = c;
}

void timer_queue::pour(unsigned index) noexcept {
  // How many chunks ahead of the one that is poured each step of fetching runs: time for a miss to be served, and no more
  // than the caches hold.
  constexpr int lead = 4;
  const bool near = index < size_of(0) && nearing != nullptr;
  slot& s = wheel_[index];
  unmark(index);
  chunk* poured = s.first;
  s.first = s.last = nullptr;
  chunk* ahead[3] = {poured, poured, poured};
  const auto fetch = [](chunk*& at, auto&& touch) {
    if (at == nullptr) return;
    for (unsigned i = 0; i < at->used; ++i)
      if (timer_node* t = at->entries[i].timer; t != nullptr) touch(t);
    at = at->next;
  };
  const auto address = [](timer_node* t) {
    __builtin_prefetch(t, 1);
    __builtin_prefetch(reinterpret_cast<char*>(t) - 64);  // the waiter that most timers are the end of
  };
  const auto first = [this](timer_node* t) { nearing(*t, 0); };
  const auto second = [this](timer_node* t) { nearing(*t, 1); };
  for (int i = 0; i < 3 * lead; ++i) {
    fetch(ahead[0], address);
    if (near && i >= lead) fetch(ahead[1], first);
    if (near && i >= 2 * lead) fetch(ahead[2], second);
  }
  while (poured != nullptr) {
    fetch(ahead[0], address);
    if (near) {
      fetch(ahead[1], first);
      fetch(ahead[2], second);
    }
    chunk* const c = poured;
    poured = c->next;
    for (unsigned i = 0; i < c->used; ++i) {
      if (c->entries[i].timer == nullptr) continue;
      --in_wheel_;
      place(c->entries[i]);
    }
    c->next = free_chunks_;
    free_chunks_ = c;
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
      poured_ = in_heap_;
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
  if (aside_ == nullptr) [[likely]]
    return front();
  const timer_node* t = earliest_aside();
  const nanos other = front();
  return t != nullptr && t->deadline < other ? t->deadline : other;
}

nanos timer_queue::front() noexcept {
  while (in_heap_ == 0)
    if (!advance()) return never;
  // A wheel slot at or after the cursor cannot hold anything earlier than what was poured.
  return heap_[0].deadline;
}

std::size_t timer_queue::expire(nanos now) noexcept {
  expiring_ = now;
  // Out of order with the others, which is what memory would have been for.
  std::size_t fired = aside_ == nullptr ? 0 : expire_aside(now);
  const std::uint64_t armed_before = next_order_;
  while (front() <= now && heap_[0].order < armed_before) {
    timer_node& t = *heap_[0].timer;
    disarm(t);
    ++fired;
    t.fire(&t);
  }
  expiring_ = 0;
  return fired;
}

// Room for every armed timer, wherever it stands, is kept ahead: so pouring a slot can never fail.
bool timer_queue::reserve(std::size_t timers) noexcept { return heap_reserve(timers) && chunks_reserve(timers + 1); }

bool timer_queue::chunks_reserve(std::size_t n) noexcept {
  if (n <= chunks_) [[likely]]
    return true;
  // Touched only as far as it is used, and not before the ones that are there: most timers share their chunk.
  const std::size_t bytes = regions_ == nullptr ? 16 * sys::page_size : regions_->bytes * 2;
  auto* r = static_cast<region*>(sys::map(bytes));
  if (r == nullptr) return false;
  r->next = regions_;
  r->bytes = bytes;
  r->fresh = reinterpret_cast<chunk*>(r) + 1;
  r->fresh_end = reinterpret_cast<chunk*>(r) + bytes / sizeof(chunk);
  regions_ = r;
  chunks_ += bytes / sizeof(chunk) - 1;
  return true;
}

void timer_queue::next_region() noexcept {
  for (region* r = regions_; r != nullptr; r = r->next) {
    if (r->fresh == r->fresh_end) continue;
    fresh_ = r->fresh;
    fresh_end_ = r->fresh_end;
    r->fresh = r->fresh_end;
    return;
  }
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
