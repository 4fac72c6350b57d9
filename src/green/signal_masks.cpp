// What green threads block, and what the carrier blocks for them: the intersection.
//
// Threads of a program have few different masks between them (none blocked, all but a few), so these are counted, not the threads.
#include "core/hub.hpp"
#include "green/signals.hpp"
#include "green/turns.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

struct counted {
  std::uint64_t mask;
  std::uint32_t threads;
};

constexpr unsigned most_masks = 24;
counted masks[most_masks];
unsigned used = 0;
bool overflowed = false;  // there were more: threads are looked at themselves
std::uint64_t common = 0;
std::uint64_t in_kernel = 0;
bool lent = false;

// Weft's tick comes always; a signal that nobody may block is never in a mask.
constexpr std::uint64_t always_open = signal_bit(tick_signal);

void recompute() noexcept {
  std::uint64_t all = ~std::uint64_t{0};
  if (overflowed) {
    each([&](const thread& t) {
      if (!t.signals_over) all &= t.signals.mask;
    });
  } else {
    for (unsigned i = 0; i < used; ++i) all &= masks[i].mask;
  }
  common = all;
}

}  // namespace

void count_mask(std::uint64_t mask) noexcept {
  for (unsigned i = 0; i < used; ++i)
    if (masks[i].mask == mask) {
      ++masks[i].threads;
      return;
    }
  if (used == most_masks) {
    overflowed = true;
    return;
  }
  masks[used++] = {mask, 1};
  common &= mask;
}

void uncount_mask(std::uint64_t mask) noexcept {
  for (unsigned i = 0; i < used; ++i) {
    if (masks[i].mask != mask) continue;
    if (--masks[i].threads != 0) return;
    masks[i] = masks[--used];
    break;
  }
  recompute();
}

void recount_masks() noexcept {
  used = 0;
  overflowed = false;
  common = ~std::uint64_t{0};
  each([](const thread& t) {
    if (!t.signals_over) count_mask(t.signals.mask);
  });
  recompute();
}

std::uint64_t kernel_mask() noexcept { return common & ~always_open & ~never_blocked; }

std::uint64_t returned_kernel_mask() noexcept {
  lent = false;
  return in_kernel = kernel_mask();
}

void lend_kernel_mask() noexcept {
  const thread* t = self();
  if (t == nullptr) return;
  lent = true;
  const std::uint64_t mask = t->signals.mask & ~signal_bit(tick_signal);
  sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, set_bytes);
  hear_of_turns(*home);
}

bool kernel_mask_lent() noexcept { return lent; }

void sync_kernel_mask(bool surely) noexcept {
  const std::uint64_t wanted = kernel_mask();
  if (!surely && wanted == in_kernel) return;
  in_kernel = wanted;
  lent = false;
  sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &wanted, nullptr, set_bytes);
}

void set_mask(thread& t, std::uint64_t mask) noexcept {
  mask &= ~never_blocked;
  const std::uint64_t before = t.signals.mask;
  if (mask == before) return;
  t.signals.mask = mask;
  if (overflowed) {
    recount_masks();
  } else {
    count_mask(mask);
    uncount_mask(before);
    if (overflowed) recount_masks();
  }
  sync_kernel_mask();
  if (const std::uint64_t closed = mask & ~before & t.signals.pending; closed != 0) hand_on(t, closed);
  if (deliverable(t) != 0) notify(t);
}

}  // namespace weft::green
