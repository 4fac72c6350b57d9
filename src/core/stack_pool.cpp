#include "core/stack_pool.hpp"

#include <sys/mman.h>

#include "sys/features.hpp"
#include "sys/mem.hpp"
#include "sys/report.hpp"
#include "sys/syscall.hpp"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace weft::core {
namespace {

constexpr std::size_t first_slots = 64, most_slots = 64 * 1024;
constexpr std::uint64_t canary = 0x57656674'43616e61;
constexpr std::size_t canary_words = 8;
// vm.max_map_count is 65,530 by default and a guard splits a mapping in two; half is left to the program.
constexpr std::size_t most_mprotected = 16'000;

// A slot's base is page-aligned; three low bits tell what must be remembered about it.
constexpr std::uintptr_t has_canary = 1, is_trimmed = 2, is_untouched = 4;

std::uintptr_t marks(const stack* s) noexcept { return reinterpret_cast<std::uintptr_t>(s->base) & 3; }
// The base with `mark` set and, unless it is that, `is_trimmed` cleared; the others stay.
char* marked(const stack* s, std::uintptr_t mark) noexcept {
  return reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(s->base) & ~is_trimmed) | mark);
}

std::size_t guard_bytes(unsigned log2) noexcept { return log2 >= 18 ? 4 * sys::page_size : sys::page_size; }

}  // namespace

stack_pool::~stack_pool() {
  while (chunk* c = chunks_) {
    chunks_ = c->next;
    sys::unmap(c, c->reserved);
  }
}

unsigned stack_pool::size_class(std::size_t bytes) noexcept {
  unsigned log2 = smallest_log2;
  while (log2 < largest_log2 && std::size_t{1} << log2 < bytes) ++log2;
  return log2;
}

bool stack_pool::grow(unsigned log2) noexcept {
  size_list& list = lists_[log2];
  std::size_t slots = list.next_slots != 0 ? list.next_slots : first_slots;
  const std::size_t at_most = sys::reservable(most_slots << largest_log2);
  for (; slots > 0; slots /= 4) {
    if (slots > 1 && slots << log2 > at_most) continue;
    // Descriptors lie in front, on pages of their own; the mapping is one, whatever the number of stacks.
    const std::size_t head = sys::round_up(sizeof(chunk) + slots * sizeof(stack), sys::page_size);
    const std::size_t bytes = slots << log2;
    char* at = static_cast<char*>(sys::map(head + bytes));
    if (at == nullptr) continue;
    // A huge page would make one touched stack cost 2 MiB.
    sys::raw(SYS_madvise, at, head + bytes, MADV_NOHUGEPAGE);
    auto* c = reinterpret_cast<chunk*>(at);
    *c = {chunks_, at + head, bytes, head + bytes, 0, slots, log2, reinterpret_cast<stack*>(c + 1)};
    chunks_ = list.current = c;
    list.next_slots = slots * 4 > most_slots ? most_slots : slots * 4;
    return true;
  }
  return false;
}

bool stack_pool::could_take(unsigned log2) noexcept {
  size_list& list = lists_[log2];
  if (list.free != nullptr || (list.current != nullptr && list.current->used < list.current->slots) || grow(log2)) return true;
  report_exhausted(log2);
  return false;
}

void stack_pool::report_exhausted(unsigned log2) noexcept {
  if (reported_) return;
  reported_ = true;
  sys::report() << "no address space left for another fiber stack: " << in_use_ << " stacks are in use, one more of "
                << (std::uint64_t{1} << log2 >> 10) << " KiB was refused. Raise RLIMIT_AS (ulimit -v), or make stacks "
                << "smaller (spawn_options::stack_size, WEFT_STACK_SIZE).\n";
}

stack* stack_pool::take_slow(unsigned log2) noexcept {
  size_list& list = lists_[log2];
  stack* s = list.free;
  if (s != nullptr) {
    list.free = s->next_free;
    if ((marks(s) & is_trimmed) != 0) {
      --list.trimmed;
      s->base = marked(s, is_untouched);
    }
    if (--list.free_count < list.idle_low) list.idle_low = list.free_count;
  } else {
    if ((list.current == nullptr || list.current->used == list.current->slots) && !grow(log2)) {
      report_exhausted(log2);
      return nullptr;
    }
    chunk* c = list.current;
    s = &c->descriptors[c->used];
    s->base = c->base + (c->used << log2);
    ++c->used;
    install_guard(s, log2);
    // Valgrind tells a switch from a deep call by the stacks it knows. Some instructions without effect elsewhere.
    (void)VALGRIND_STACK_REGISTER(bottom(s), bottom(s) + (std::size_t{1} << log2) - 1);
    s->base += is_untouched;
  }
  if (++in_use_ > most_in_use_) most_in_use_ = in_use_;
  return s;
}

void stack_pool::install_guard(stack* s, unsigned log2) noexcept {
  if (sys::have(sys::feature::guard)) {
    if (sys::raw(SYS_madvise, s->base, guard_bytes(log2), MADV_GUARD_INSTALL) == 0) return;
    sys::mark_missing(sys::feature::guard);
  }
  if (sys::have(sys::feature::mprotect) && mprotected_ < most_mprotected) {
    if (sys::raw(SYS_mprotect, s->base, guard_bytes(log2), PROT_NONE) == 0) {
      ++mprotected_;
      return;
    }
    sys::mark_missing(sys::feature::mprotect);
  }
  auto* words = reinterpret_cast<volatile std::uint64_t*>(s->base);
  for (std::size_t i = 0; i < canary_words; ++i) words[i] = canary;
  s->base += has_canary;
}

void stack_pool::check_canary(const stack* s, unsigned log2) noexcept {
  const auto* words = reinterpret_cast<const volatile std::uint64_t*>(bottom(s));
  for (std::size_t i = 0; i < canary_words; ++i)
    if (words[i] != canary) {
      sys::report() << "a fiber ran over the end of its stack of " << (std::uint64_t{1} << log2 >> 10)
                    << " KiB (found by its canary: no guard pages are left). Raise spawn_options::stack_size or "
                    << "WEFT_STACK_SIZE.\n";
      asm volatile("ud2");
    }
}

stack_pool::trimmed stack_pool::trim() noexcept {
  // 64 stay warm for the next burst; a bounded number a call, since each costs a microsecond while the hub waits.
  constexpr std::size_t keep = 64, most_a_call = 256;
  std::size_t done = 0;
  bool later = false;
  for (unsigned log2 = smallest_log2; log2 <= largest_log2; ++log2) {
    size_list& list = lists_[log2];
    // What was free all the time since the last look lies at the bottom of the LIFO list.
    if (list.idle_low > keep) {
      std::size_t skip = list.free_count - list.idle_low + keep;
      stack* s = list.free;
      while (s != nullptr && skip-- > 0) s = s->next_free;
      const std::size_t guard = guard_bytes(log2);
      for (; s != nullptr && done < most_a_call; s = s->next_free) {
        if ((marks(s) & is_trimmed) != 0) continue;
        sys::raw(SYS_madvise, bottom(s) + guard, (std::size_t{1} << log2) - guard, MADV_DONTNEED);
        s->base = marked(s, is_trimmed);
        ++list.trimmed;
        ++done;
      }
    }
    if (done == most_a_call) return trimmed::some;  // idle_low still holds for the rest
    list.idle_low = list.free_count;
    later = later || list.free_count > list.trimmed + keep;
  }
  return later ? trimmed::later : trimmed::all;
}

bool stack_pool::in_guard(const void* address, std::size_t& size) const noexcept {
  const auto* a = static_cast<const char*>(address);
  for (const chunk* c = chunks_; c != nullptr; c = c->next) {
    if (a < c->base || a >= c->base + c->bytes) continue;
    const std::size_t offset = static_cast<std::size_t>(a - c->base) & ((std::size_t{1} << c->log2) - 1);
    size = std::size_t{1} << c->log2;
    return offset < guard_bytes(c->log2);
  }
  return false;
}

}  // namespace weft::core
