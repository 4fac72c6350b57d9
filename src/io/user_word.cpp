#include "io/user_word.hpp"

#include <cerrno>
#include <linux/futex.h>

#include "io/user_memory.hpp"
#include "sys/atomic.hpp"
#include "sys/fault.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

constexpr unsigned place_bits = 8, round_bits = 28;

// Pages that the kernel could read, or write, each at the place that its low bits name: 36 bits of its number, then the round it was
// seen in.
using known_pages = sys::atomic<std::uint64_t>[1u << place_bits];
known_pages known_readable, known_writable;
sys::atomic<std::uint64_t> round{1};  // so that no page is known at first, page 0 included

// Asks the kernel to add 0 to the word, and to wake whoever waits for a word of ours: nobody.
bool writable(std::uint64_t at) noexcept {
  std::uint32_t mine = 0;
  return sys::raw(SYS_futex, &mine, FUTEX_WAKE_OP_PRIVATE, 1, 1L, at, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_LT, 0)) != -EFAULT;
}

template <class Ask>
bool known(known_pages& pages, const void* user, Ask ask) noexcept {
  const auto at = reinterpret_cast<std::uint64_t>(user);
  const std::uint64_t page = at / sys::page_size;
  if (page >> (64 - round_bits) != 0) return false;  // the kernel's half
  const std::uint64_t wanted = page << round_bits | (round.load_relaxed() & ((std::uint64_t{1} << round_bits) - 1));
  auto& place = pages[page & ((1u << place_bits) - 1)];
  if (place.load_relaxed() == wanted) [[likely]]
    return true;
  if (!ask(page * sys::page_size)) return false;
  place.store_relaxed(wanted);
  return true;
}

}  // namespace

bool load_word(const void* at, std::uint32_t& value) noexcept {
  return known(known_readable, at, [](std::uint64_t page) { return readable(reinterpret_cast<const void*>(page), 8); }) &&
         weft_load_word(at, &value);
}

void forget_pages() noexcept { round.add(1); }

bool exchange_word(void* at, std::uint32_t& expected, std::uint32_t desired, bool& swapped) noexcept {
  if (!known(known_writable, at, writable)) return false;
  const int got = weft_exchange_word(at, &expected, desired);
  swapped = got == 1;
  return got >= 0;
}

bool store_word(void* at, std::uint32_t value) noexcept {
  std::uint32_t seen = 0;
  for (bool swapped = false; !swapped;)
    if (!exchange_word(at, seen, value, swapped)) return false;
  return true;
}

}  // namespace weft::io
