// Waking: fibers first, then the kernel for as many as are left; every 16th time the other way round, so that a native thread's turn
// comes even when there is always a fiber waiting.
#include "io/futex.hpp"

#include <cerrno>
#include <linux/futex.h>

#include "core/hub.hpp"
#include "io/user_word.hpp"
#include "sys/syscall.hpp"

namespace weft::io::futex {
namespace {

constexpr std::uint64_t kernel_first_every = 16;

long ask_kernel(key k, int op, int most, std::uint32_t bitset) noexcept {
  if (!kernel_may_wait && (op & FUTEX_PRIVATE_FLAG) != 0 && bitset != 0 && k.address % 4 == 0) return 0;
  return sys::raw(SYS_futex, k.address, op, most, nullptr, nullptr, bitset);
}

std::int32_t sign_extended(std::uint32_t twelve_bits) noexcept {
  return static_cast<std::int32_t>(twelve_bits << 20) >> 20;
}

// The new value of FUTEX_WAKE_OP's second word. False: no such operation.
bool operated(std::uint32_t operation, std::uint32_t old, std::uint32_t& fresh) noexcept {
  auto argument = static_cast<std::uint32_t>(sign_extended(operation >> 12 & 0xfff));
  if (operation >> 28 & FUTEX_OP_OPARG_SHIFT) argument = 1u << (argument & 31);
  switch (operation >> 28 & 7) {
    case FUTEX_OP_SET: fresh = argument; return true;
    case FUTEX_OP_ADD: fresh = old + argument; return true;
    case FUTEX_OP_OR: fresh = old | argument; return true;
    case FUTEX_OP_ANDN: fresh = old & ~argument; return true;
    case FUTEX_OP_XOR: fresh = old ^ argument; return true;
    default: return false;
  }
}

// 1, 0, or -ENOSYS.
long compares(std::uint32_t operation, std::uint32_t word) noexcept {
  const auto old = static_cast<std::int32_t>(word), other = sign_extended(operation & 0xfff);
  switch (operation >> 24 & 15) {
    case FUTEX_OP_CMP_EQ: return old == other;
    case FUTEX_OP_CMP_NE: return old != other;
    case FUTEX_OP_CMP_LT: return old < other;
    case FUTEX_OP_CMP_LE: return old <= other;
    case FUTEX_OP_CMP_GT: return old > other;
    case FUTEX_OP_CMP_GE: return old >= other;
    default: return -ENOSYS;
  }
}

}  // namespace

long wake_up(hub* own, key k, int op, int most, std::uint32_t bitset) noexcept {
  if (bitset == 0 || k.address % 4 != 0 || nobody_waits(k)) return ask_kernel(k, op, most, bitset);
  const int wanted = most > 1 ? most : 1;
  long woken = 0;
  const bool kernel_first = own != nullptr && own->stats.parks % kernel_first_every == 0;
  if (kernel_first) {
    woken = ask_kernel(k, op, wanted, bitset);
    if (woken < 0 || woken >= wanted) return woken;
  }
  {
    const inside guard(own);
    taken_list list;
    take(k, wanted - static_cast<int>(woken), bitset, list);
    woken += list.count;
    tell(own, list);
  }
  if (woken >= wanted || kernel_first) return woken;
  const long more = ask_kernel(k, op, wanted - static_cast<int>(woken), bitset);
  return more > 0 ? woken + more : woken > 0 ? woken : more;
}

bool requeue(hub* own, key from, key to, int wake_most, int move_most, const std::uint32_t* check, long& answer) noexcept {
  if (nobody_waits(from)) return false;
  long done;
  int woken;
  {
    const inside guard(own);
    taken_list list;
    answer = take_and_move(from, to, wake_most, move_most, check, list);
    if (answer < 0) return true;
    woken = list.count;
    done = woken + answer;
    tell(own, list);
  }
  if (done == 0) return false;
  // The comparison has been made: the rest goes without.
  const int left_to_wake = wake_most - woken, left_to_move = move_most - static_cast<int>(answer);
  const bool own_words = from.what == kind::own;
  if ((kernel_may_wait || !own_words) && (left_to_wake > 0 || left_to_move > 0)) {
    const long more = sys::raw(SYS_futex, from.address, own_words ? FUTEX_REQUEUE_PRIVATE : FUTEX_REQUEUE, left_to_wake,
                               static_cast<long>(left_to_move), to.address, 0);
    if (more > 0) done += more;
  }
  answer = done;
  return true;
}

long wake_op(hub* own, key first, key second, int wake_most, int wake_most_second, std::uint32_t operation) noexcept {
  std::uint32_t old = 0;
  auto* word = reinterpret_cast<void*>(second.address);
  if (!load_word(word, old)) return -EFAULT;
  for (bool swapped = false; !swapped;) {
    std::uint32_t fresh = 0;
    if (!operated(operation, old, fresh)) return -ENOSYS;
    if (!exchange_word(word, old, fresh, swapped)) return -EFAULT;
  }
  const long also = compares(operation, old);
  if (also < 0) return also;
  const int op = first.what == kind::own ? FUTEX_WAKE_BITSET_PRIVATE : FUTEX_WAKE_BITSET;
  long woken = wake_up(own, first, op, wake_most, FUTEX_BITSET_MATCH_ANY);
  if (woken < 0 || also == 0) return woken;
  const long more = wake_up(own, second, op, wake_most_second, FUTEX_BITSET_MATCH_ANY);
  return more < 0 ? woken : woken + more;
}

}  // namespace weft::io::futex
