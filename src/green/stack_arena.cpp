#include "green/stack_arena.hpp"

#include <cerrno>
#include <sys/mman.h>

#include "sys/atomic.hpp"
#include "sys/features.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

namespace weft::green::arena {
namespace {

enum class state : std::uint8_t {
  unused,    // never given out; beyond chunk::usable not even writable
  free,      // given back: zeroes, its guard in place
  reserved,  // given out as PROT_NONE, not protected otherwise yet. To the kernel it is writable already
  used,      // given out; writable above its guard
  changed,   // given out; the kernel keeps something of its own for a part of it
  gone,      // a part was unmapped or moved: the program's and the kernel's alone
};

struct slot {
  slot* next_free = nullptr;
  std::uint32_t guard_pages = 0;  // in place, at its lowest address
  state is = state::unused;
  bool walled = false;            // the guard is one by mprotect
};

struct chunk {
  chunk* next;
  std::uint64_t base, end;  // of the slots
  std::uint64_t size;       // of one
  std::uint32_t slots, given, usable;
  slot* all;
};

struct size_class {
  std::uint64_t size = 0;
  slot* free = nullptr;
  chunk* current = nullptr;
  std::uint32_t next_slots = 16;
};

constexpr std::uint32_t most_slots = 4096, made_usable_at_once = 16;
constexpr std::uint64_t most_bytes = std::uint64_t{64} << 30, largest = std::uint64_t{1} << 30;
constexpr unsigned most_classes = 32;
// Room before the first slot, so that no stack's top is the end of a page of page tables when their size is a multiple of 2 MiB.
constexpr std::uint64_t least_head = 32 * 1024;

size_class classes[most_classes];
chunk* chunks = nullptr;
std::uint64_t lowest = ~std::uint64_t{0}, highest = 0;  // of all chunks: most addresses are outside
figures counted{};

// Named after its owner's thread pointer: a call out of a signal handler that came in between must not wait for itself.
sys::atomic<std::uint64_t> owner;

class locked {
public:
  locked() noexcept {
    std::uint64_t me;
    asm volatile("mov %%fs:0, %0" : "=r"(me));
    for (std::uint64_t seen = 0; !owner.compare_exchange(seen, me); seen = 0) {
      if (seen == me) {
        again_ = true;
        return;
      }
      sys::raw(SYS_sched_yield);
    }
  }
  ~locked() {
    if (!again_) owner.store_release(0);
  }
  locked(const locked&) = delete;
  locked& operator=(const locked&) = delete;
  bool again() const noexcept { return again_; }

private:
  bool again_ = false;
};

constexpr std::uint64_t page = sys::page_size;
std::uint64_t pages_up(std::uint64_t bytes) noexcept { return (bytes + page - 1) & ~(page - 1); }

chunk* chunk_at(std::uint64_t at) noexcept {
  for (chunk* c = chunks; c != nullptr; c = c->next)
    if (at >= c->base && at < c->end) return c;
  return nullptr;
}

std::uint64_t base_of(const chunk& c, const slot& s) noexcept { return c.base + static_cast<std::uint64_t>(&s - c.all) * c.size; }

bool add_chunk(size_class& of) noexcept {
  const std::uint64_t at_most = sys::reservable(most_bytes);
  for (std::uint64_t slots = of.next_slots; slots > 0; slots /= 4) {
    if (slots > 1 && slots * of.size > at_most) continue;
    std::uint64_t head = pages_up(sizeof(chunk) + slots * sizeof(slot));
    if (head < least_head) head = least_head;
    const std::uint64_t bytes = head + slots * of.size;
    const long got = sys::raw(SYS_mmap, nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got < 0 && got > -4096) continue;
    // A huge page would make one touched stack cost 2 MiB.
    sys::raw(SYS_madvise, got, bytes, MADV_NOHUGEPAGE);
    const auto at = static_cast<std::uint64_t>(got);
    if (sys::raw(SYS_mprotect, at, head, PROT_READ | PROT_WRITE) != 0) {
      sys::raw(SYS_munmap, at, bytes);
      return false;
    }
    auto* c = reinterpret_cast<chunk*>(at);
    *c = {chunks, at + head, at + bytes, of.size, static_cast<std::uint32_t>(slots), 0, 0, reinterpret_cast<slot*>(c + 1)};
    chunks = of.current = c;
    if (c->base < lowest) lowest = c->base;
    if (c->end > highest) highest = c->end;
    ++counted.mappings;
    of.next_slots = slots * 4 > most_slots ? most_slots : static_cast<std::uint32_t>(slots) * 4;
    return true;
  }
  return false;
}

bool make_usable(chunk& c) noexcept {
  const std::uint32_t left = c.slots - c.usable;
  for (std::uint32_t n = left < made_usable_at_once ? left : made_usable_at_once; n > 0; n = n == 1 ? 0 : 1) {
    if (sys::raw(SYS_mprotect, c.base + c.usable * c.size, n * c.size, PROT_READ | PROT_WRITE) != 0) continue;
    c.usable += n;
    return true;
  }
  return false;
}

size_class* class_of(std::uint64_t size) noexcept {
  for (size_class& c : classes) {
    if (c.size == 0) c.size = size;
    if (c.size == size) return &c;
  }
  return nullptr;
}

slot* take(size_class& of) noexcept {
  if (slot* s = of.free) {
    of.free = s->next_free;
    return s;
  }
  if ((of.current == nullptr || of.current->given == of.current->slots) && !add_chunk(of)) return nullptr;
  chunk& c = *of.current;
  if (c.given == c.usable && !make_usable(c)) return nullptr;
  return &c.all[c.given++];
}

void put(chunk& c, slot& s) noexcept {
  size_class* of = class_of(c.size);
  s.is = state::free;
  s.next_free = of->free;
  of->free = &s;
  --counted.in_use;
}

long clear_guard(std::uint64_t base, slot& s) noexcept {
  if (s.guard_pages == 0) return 0;
  const long got = s.walled ? sys::raw(SYS_mprotect, base, s.guard_pages * page, PROT_READ | PROT_WRITE)
                            : sys::raw(SYS_madvise, base, s.guard_pages * page, MADV_GUARD_REMOVE);
  if (got == 0) s.guard_pages = 0;
  return got;
}

long set_guard(std::uint64_t base, slot& s, std::uint32_t pages) noexcept {
  if (s.guard_pages == pages) return 0;
  if (const long error = clear_guard(base, s); error != 0) return error;
  if (pages == 0) return 0;
  long got = -EINVAL;
  s.walled = false;
  if (sys::have(sys::feature::guard)) {
    static bool works = false;
    got = sys::raw(SYS_madvise, base, pages * page, MADV_GUARD_INSTALL);
    if (got == 0)
      works = true;
    else if (!works)  // else these pages are special: locked into memory
      sys::mark_missing(sys::feature::guard);
  }
  if (got != 0) {
    got = sys::raw(SYS_mprotect, base, pages * page, PROT_NONE);
    s.walled = true;
  }
  if (got == 0) s.guard_pages = pages;
  return got;
}

// What mmap with PROT_NONE promised, before something that is not the usual next step.
void make_real(chunk& c, slot& s) noexcept {
  if (s.is != state::reserved) return;
  sys::raw(SYS_mprotect, base_of(c, s), c.size, PROT_NONE);
  s.is = state::changed;
}

bool given_out(const slot& s) noexcept { return s.is == state::reserved || s.is == state::used || s.is == state::changed; }

void lose(slot& s) noexcept {
  if (given_out(s)) --counted.in_use;
  s.is = state::gone;
}

bool map_afresh(chunk& c, slot& s) noexcept {
  const std::uint64_t base = base_of(c, s);
  const long got = sys::raw(SYS_mmap, base, c.size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (got != static_cast<long>(base)) return false;
  sys::raw(SYS_madvise, base, c.size, MADV_NOHUGEPAGE);
  s.guard_pages = 0;
  return true;
}

long give_back(chunk& c, slot& s) noexcept {
  const std::uint64_t base = base_of(c, s), guard = s.guard_pages * page;
  const bool clean = s.is != state::changed && sys::raw(SYS_madvise, base + guard, c.size - guard, MADV_DONTNEED) == 0;
  if (clean || map_afresh(c, s)) {
    put(c, s);
    return 0;
  }
  lose(s);
  return sys::raw(SYS_munmap, base, c.size);
}

// Calls in_slot(chunk, slot, at, end) for what lies in slots, and outside(at, end) for the rest.
template <class InSlot, class Outside>
void each_piece(std::uint64_t at, std::uint64_t end, InSlot in_slot, Outside outside) noexcept {
  while (at < end) {
    if (chunk* c = chunk_at(at)) {
      slot& s = c->all[(at - c->base) / c->size];
      const std::uint64_t slot_end = base_of(*c, s) + c->size, stop = slot_end < end ? slot_end : end;
      in_slot(*c, s, at, stop);
      at = stop;
      continue;
    }
    std::uint64_t stop = end;
    for (const chunk* c = chunks; c != nullptr; c = c->next)
      if (c->base > at && c->base < stop) stop = c->base;
    outside(at, stop);
    at = stop;
  }
}

constexpr auto nothing_outside = [](std::uint64_t, std::uint64_t) {};

// The second half of how glibc makes a stack: all but its guard becomes usable.
bool completes(const chunk& c, const slot& s, std::uint64_t at, std::uint64_t end, int protection) noexcept {
  const std::uint64_t base = base_of(c, s);
  return s.is == state::reserved && (protection & ~PROT_EXEC) == (PROT_READ | PROT_WRITE) && end == base + c.size && at >= base;
}

}  // namespace

std::uint64_t map(std::uint64_t bytes, bool usable) noexcept {
  const std::uint64_t size = pages_up(bytes);
  if (size == 0 || size > largest) return 0;
  const locked lock;
  if (lock.again()) return 0;
  size_class* of = class_of(size);
  slot* s = of == nullptr ? nullptr : take(*of);
  if (s == nullptr) return 0;
  // The slot lies in the array of its chunk's.
  chunk* c = of->current;
  if (s < c->all || s >= c->all + c->slots)
    for (c = chunks; s < c->all || s >= c->all + c->slots; c = c->next) {}
  if (++counted.in_use > counted.most_in_use) counted.most_in_use = counted.in_use;
  s->is = usable ? state::used : state::reserved;
  if (usable && clear_guard(base_of(*c, *s), *s) != 0) {
    put(*c, *s);
    return 0;
  }
  return base_of(*c, *s);
}

bool touches(std::uint64_t at, std::uint64_t bytes) noexcept {
  const std::uint64_t end = at + bytes;
  if (end <= lowest || at >= highest || end < at) [[likely]]
    return false;
  for (const chunk* c = chunks; c != nullptr; c = c->next)
    if (at < c->end && end > c->base) return true;
  return false;
}

long protect(std::uint64_t at, std::uint64_t bytes, int protection) noexcept {
  const std::uint64_t end = at + pages_up(bytes);
  const locked lock;
  if (at % page != 0 || lock.again()) return sys::raw(SYS_mprotect, at, bytes, protection);
  if (chunk* c = chunk_at(at)) {
    slot& s = c->all[(at - c->base) / c->size];
    if (completes(*c, s, at, end, protection)) {
      const std::uint64_t base = base_of(*c, s);
      if (const long error = set_guard(base, s, static_cast<std::uint32_t>((at - base) / page)); error != 0) return error;
      s.is = state::used;
      if ((protection & PROT_EXEC) == 0) return 0;
    }
  }
  bool foreign = false;
  each_piece(
      at, end,
      [&](chunk& c, slot& s, std::uint64_t from, std::uint64_t to) {
        if (!given_out(s)) {
          foreign = foreign || s.is != state::gone;
          return;
        }
        make_real(c, s);
        s.is = state::changed;
        const std::uint64_t base = base_of(c, s), guard_end = base + s.guard_pages * page;
        if (protection != PROT_NONE && !s.walled && from < guard_end)
          sys::raw(SYS_madvise, from, (to < guard_end ? to : guard_end) - from, MADV_GUARD_REMOVE);
      },
      nothing_outside);
  // What was not given out is not mapped, to the program.
  return foreign ? -ENOMEM : sys::raw(SYS_mprotect, at, bytes, protection);
}

long unmap(std::uint64_t at, std::uint64_t bytes) noexcept {
  const std::uint64_t end = at + pages_up(bytes);
  const locked lock;
  if (at % page != 0 || bytes == 0 || lock.again()) return sys::raw(SYS_munmap, at, bytes);
  long result = 0;
  const auto really = [&](std::uint64_t from, std::uint64_t to) {
    if (const long got = sys::raw(SYS_munmap, from, to - from); got != 0) result = got;
  };
  each_piece(
      at, end,
      [&](chunk& c, slot& s, std::uint64_t from, std::uint64_t to) {
        if (s.is == state::free || s.is == state::unused) return;
        if (given_out(s) && to - from == c.size) {
          if (const long got = give_back(c, s); got != 0) result = got;
          return;
        }
        make_real(c, s);
        lose(s);
        really(from, to);
      },
      really);
  return result;
}

namespace {

// Calls fn(slot) for each slot that is touched; none of them is a promise any more (make_real).
template <class F>
void each_real_slot(std::uint64_t at, std::uint64_t bytes, F fn) noexcept {
  const locked lock;
  if (lock.again()) return;
  each_piece(
      at & ~(page - 1), at + pages_up(bytes),
      [&fn](chunk& c, slot& s, std::uint64_t, std::uint64_t) {
        make_real(c, s);
        fn(s);
      },
      nothing_outside);
}

}  // namespace

void about_to_change(std::uint64_t at, std::uint64_t bytes) noexcept {
  each_real_slot(at, bytes, [](slot& s) {
    if (s.is == state::used) s.is = state::changed;
  });
}

void about_to_lose(std::uint64_t at, std::uint64_t bytes) noexcept {
  each_real_slot(at, bytes, [](slot& s) {
    if (given_out(s)) lose(s);
  });
}

void after_fork() noexcept { owner.store_relaxed(0); }

figures look() noexcept { return counted; }

}  // namespace weft::green::arena
