// The table of green threads: a reserved stretch of memory that is made usable as it grows. Blocks that are free are used again in the
// order in which they became so: a thread id names its late owner for as long as possible.
#include "green/thread.hpp"

#include <sys/mman.h>

#include <new>

#include "sys/mem.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

constexpr std::uint32_t at_most = 1u << 21;
constexpr std::size_t grown_by = 1u << 20;

constexpr std::uint32_t kept_free = 64;  // so many ids rest before one is used again

std::size_t reserved = 0, usable = 0;
std::uint32_t free_count = 0;
thread* first_free = nullptr;
thread* last_free = nullptr;
thread the_leader;

// The id of the first block; the others follow, and go on behind the last id from the first one.
std::uint32_t base = 0;
constexpr std::uint32_t all_tids = end_of_tids - first_tid;

// Far from those of other processes: process ids that follow each other, as those of workers do, turned around bit by bit, divide the
// ids in ever smaller halves.
void choose_base() noexcept {
  constexpr unsigned bits = 22;  // of the kernel's ids
  const auto process = static_cast<std::uint32_t>(sys::raw(SYS_getpid));
  std::uint32_t turned = 0;
  for (unsigned i = 0; i < bits; ++i) turned |= (process >> i & 1) << (bits - 1 - i);
  base = first_tid + turned * (all_tids >> bits);
}

std::uint32_t tid_at(std::uint32_t place) noexcept {
  const std::uint32_t tid = base + place;
  return tid < end_of_tids ? tid : tid - all_tids;
}

// The place of a block that has or would have this id.
std::uint32_t place_of(std::uint32_t tid) noexcept { return tid >= base ? tid - base : tid + all_tids - base; }

// Without room for two million threads, room for fewer.
bool reserve() noexcept {
  const std::size_t most = sys::reservable(at_most * sizeof(thread));
  for (std::size_t bytes = at_most * sizeof(thread); bytes >= grown_by; bytes /= 2) {
    if (bytes > most && bytes / 2 >= grown_by) continue;
    const long at = sys::raw(SYS_mmap, nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at < 0 && at > -4096) continue;
    table = reinterpret_cast<thread*>(at);
    reserved = bytes;
    choose_base();
    sys::raw(SYS_madvise, at, bytes, MADV_DONTDUMP);  // gdb's gcore would write all of it
    return true;
  }
  return false;
}

bool grow() noexcept {
  if (table == nullptr && !reserve()) return false;
  if (usable + grown_by > reserved) return false;
  if (sys::raw(SYS_mprotect, reinterpret_cast<char*>(table) + usable, grown_by, PROT_READ | PROT_WRITE) != 0) return false;
  sys::raw(SYS_madvise, reinterpret_cast<char*>(table) + usable, grown_by, MADV_DODUMP);
  usable += grown_by;
  return true;
}

}  // namespace

thread* leads = &the_leader;
thread* table = nullptr;
std::uint32_t table_used = 0;

thread& leader() noexcept { return *leads; }
void lead(thread& t) noexcept {
  leads = &t;
  choose_base();
}

thread* take_block() noexcept {
  thread* t = first_free;
  if (free_count < kept_free && ((table_used + 1) * sizeof(thread) <= usable || grow())) {
    t = &table[table_used++];
  } else if (t != nullptr) {
    // An id that is used again soon is better than no thread.
    first_free = t->next_free;
    if (first_free == nullptr) last_free = nullptr;
    --free_count;
  } else {
    static bool said = false;
    if (!said) sys::report() << "no memory for another green thread's block: pthread_create answers EAGAIN\n";
    said = true;
    return nullptr;
  }
  const std::uint32_t epoch = t->own.epoch;
  new (t) thread;
  t->own.epoch = epoch + 1;
  t->tid = tid_at(static_cast<std::uint32_t>(t - table));
  t->fiber = &t->own;
  return t;
}

void give_block(thread& t) noexcept {
  t.next_free = nullptr;
  (last_free != nullptr ? last_free->next_free : first_free) = &t;
  last_free = &t;
  ++free_count;
}

thread* of(const fiber_base* f) noexcept {
  if (f == leads->fiber) return leads;
  return f->green ? reinterpret_cast<thread*>(const_cast<fiber_base*>(f)) : nullptr;
}

thread* self() noexcept {
  if (home == nullptr || detail::try_hub() != home) return nullptr;
  return of(detail::current_fiber());
}

thread* find(std::uint32_t tid) noexcept {
  if (tid == leads->tid) return leads->alive ? leads : nullptr;
  if (tid < first_tid || tid >= end_of_tids || place_of(tid) >= table_used) return nullptr;
  thread& t = table[place_of(tid)];
  return t.alive ? &t : nullptr;
}

}  // namespace weft::green
