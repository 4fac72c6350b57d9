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

// Pages that the kernel could read, each at the place that its low bits name: 36 bits of its number, then the round it was seen in.
sys::atomic<std::uint64_t> seen[1u << place_bits];
sys::atomic<std::uint64_t> round{1};  // so that no page is known at first, page 0 included

bool readable_page(std::uint64_t at) noexcept {
  const std::uint64_t page = at / sys::page_size;
  if (page >> (64 - round_bits) != 0) return false;  // the kernel's half
  const std::uint64_t wanted = page << round_bits | (round.load_relaxed() & ((std::uint64_t{1} << round_bits) - 1));
  auto& place = seen[page & ((1u << place_bits) - 1)];
  if (place.load_relaxed() == wanted) [[likely]]
    return true;
  if (!readable(reinterpret_cast<const void*>(page * sys::page_size), 8)) return false;
  place.store_relaxed(wanted);
  return true;
}

// Asks the kernel to add 0 to the word, and to wake whoever waits for a word of ours: nobody.
bool writable(void* at) noexcept {
  std::uint32_t mine = 0;
  return sys::raw(SYS_futex, &mine, FUTEX_WAKE_OP_PRIVATE, 1, 1L, at, FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_LT, 0)) != -EFAULT;
}

}  // namespace

bool load_word(const void* at, std::uint32_t& value) noexcept {
  return readable_page(reinterpret_cast<std::uint64_t>(at)) && weft_load_word(at, &value);
}

void forget_pages() noexcept { round.add(1); }

bool exchange_word(void* at, std::uint32_t& expected, std::uint32_t desired, bool& swapped) noexcept {
  if (!writable(at)) return false;
  const int got = weft_exchange_word(at, &expected, desired);
  swapped = got == 1;
  return got >= 0;
}

}  // namespace weft::io
