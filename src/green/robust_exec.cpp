// Robust mutexes at exec, which ends every thread of the process: whoever waits for one of theirs in another process is to become its
// owner. Whether exec succeeds, only the kernel knows, and when it has, nothing of this is left: so the kernel is given all lists as one,
// the carrier's, with words that name the carrier as the owner. It walks that list when, and only when, the new program is in place.
#include "green/robust_list.hpp"

#include "green/shared_memory.hpp"
#include "io/user_memory.hpp"
#include "io/user_word.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

// One thread's part of the one list.
struct part {
  const thread* who;
  std::uint64_t list;  // where its own begins and ends
  std::uint64_t first, last;
  int count;
};

constexpr std::size_t most_parts = sys::page_size / sizeof(part);

robust_head whole;
part* parts = nullptr;
std::size_t used = 0;
std::uint64_t leaders_list = 0;

void* memory(std::uint64_t address) noexcept { return reinterpret_cast<void*>(address); }

bool next_of(std::uint64_t entry, std::uint64_t& next) noexcept {
  return io::copy_in(&next, memory(entry & ~robust_is_pi), sizeof next);
}

// The part that a thread's list is. False: there is none, or it is not as libc makes it.
bool measure(const thread& t, part& p, std::int64_t& word_offset) noexcept {
  robust_head h;
  p = {&t, robust_list_of(t), 0, 0, 0};
  if (p.list == 0 || !io::copy_in(&h, memory(p.list), sizeof h) || (h.first & ~robust_is_pi) == p.list) return false;
  if (word_offset != 0 && h.word_offset != word_offset) return false;
  p.first = h.first;
  std::uint64_t next = 0;
  for (std::uint64_t entry = h.first; (entry & ~robust_is_pi) != p.list; entry = next) {
    if (++p.count > most_robust || entry == 0 || !next_of(entry, next)) return false;
    p.last = entry;
  }
  word_offset = h.word_offset;
  return true;
}

// Every word of a part that names `from` as the owner names `to`.
void change_owner(const part& p, std::uint32_t from, std::uint32_t to) noexcept {
  std::uint64_t entry = p.first;
  for (int i = 0; i < p.count; ++i) {
    std::uint32_t value = 0;
    void* word = memory(robust_word(whole, entry));
    if (io::load_word(word, value))
      for (bool swapped = false; !swapped && (value & FUTEX_TID_MASK) == from;)
        if (!io::exchange_word(word, value, (value & ~std::uint32_t{FUTEX_TID_MASK}) | to, swapped)) break;
    if (!next_of(entry, entry)) return;
  }
}

bool holds_what_is_shared(const part& p, std::int64_t word_offset) noexcept {
  std::uint64_t entry = p.first;
  for (int i = 0; i < p.count; ++i) {
    if (may_be_shared((entry & ~robust_is_pi) + static_cast<std::uint64_t>(word_offset))) return true;
    if (!next_of(entry, entry)) return false;
  }
  return false;
}

}  // namespace

void robust_before_exec() noexcept {
  used = 0;
  if (!anything_shared()) return;
  std::int64_t word_offset = 0;
  each([&](const thread& t) {
    part p;
    if (t.exited || !measure(t, p, word_offset) || (&t != &leader() && !holds_what_is_shared(p, word_offset))) return;
    if (parts == nullptr) parts = static_cast<part*>(sys::map(sys::page_size));
    if (parts != nullptr && used < most_parts) parts[used++] = p;
  });
  // The leader's alone the kernel has already.
  if (used == 0 || (used == 1 && parts[0].who == &leader())) {
    used = 0;
    return;
  }
  whole = {parts[0].first, word_offset, 0};
  leaders_list = robust_list_of(leader());
  for (std::size_t i = 0; i < used; ++i) {
    if (parts[i].who != &leader()) change_owner(parts[i], parts[i].who->tid, leader().tid);
    const std::uint64_t next = i + 1 < used ? parts[i + 1].first : reinterpret_cast<std::uint64_t>(&whole);
    io::copy_out(memory(parts[i].last & ~robust_is_pi), &next, sizeof next);
  }
  sys::raw(SYS_set_robust_list, &whole, sizeof whole);
}

void robust_after_exec() noexcept {
  if (used == 0) return;
  sys::raw(SYS_set_robust_list, leaders_list, sizeof whole);
  for (std::size_t i = 0; i < used; ++i) {
    io::copy_out(memory(parts[i].last & ~robust_is_pi), &parts[i].list, sizeof parts[i].list);
    if (parts[i].who != &leader()) change_owner(parts[i], leader().tid, parts[i].who->tid);
  }
  used = 0;
}

}  // namespace weft::green
