#include "io/futex_table.hpp"

#include <cerrno>
#include <linux/futex.h>

#include "core/hub.hpp"
#include "io/user_word.hpp"
#include "sys/syscall.hpp"

namespace weft::io::futex {

bucket buckets[bucket_count];

namespace {

constexpr unsigned count_bits = 23;
constexpr std::uint64_t count_mask = (std::uint64_t{1} << count_bits) - 1;

sys::atomic<bool> used;

// Wakers that are between taking a node of another hub and the last touch of that hub.
sys::atomic<std::uint32_t> posting;

bucket& bucket_of(std::uint64_t address) noexcept {
  return buckets[(address >> 2) * 0x9E3779B97F4A7C15u >> (64 - bucket_bits)];
}

std::uint64_t own_token() noexcept {
  std::uint64_t fs;
  asm volatile("mov %%fs:0, %0" : "=r"(fs));
  return (fs >> 6 | 1) << count_bits;  // thread pointers are aligned to 64; never 0
}

void full_barrier() noexcept { asm volatile("lock orq $0, (%%rsp)" : : : "memory", "cc"); }

// Locks, counting `more` nodes from now on. The exchange is a full barrier: what follows reads the futex word after the count is
// visible. False when the calling thread has the lock already.
bool lock(bucket& b, unsigned more) noexcept {
  const std::uint64_t token = own_token();
  std::uint64_t seen = b.word.load_relaxed();
  for (unsigned spins = 0;; ++spins) {
    if ((seen & ~count_mask) == 0) {
      if (b.word.compare_exchange(seen, token | (seen + more))) return true;
      continue;
    }
    if ((seen & ~count_mask) == token) {
      b.missed.store_relaxed(true);
      return false;
    }
    if (spins % 128 == 127)
      sys::raw(SYS_sched_yield);  // the owner was preempted
    else
      asm volatile("pause");
    seen = b.word.load_relaxed();
  }
}

void wake_for_nothing(bucket& b) noexcept;

void unlock(bucket& b, unsigned fewer = 0) noexcept {
  b.word.store_release((b.word.load_relaxed() & count_mask) - fewer);
  asm volatile("" : : : "memory");
  if (b.missed.load_relaxed()) [[unlikely]]
    wake_for_nothing(b);
}

void append(bucket& b, node& n) noexcept {
  n.before = b.last;
  n.after = nullptr;
  (b.last != nullptr ? b.last->after : b.first) = &n;
  b.last = &n;
  n.where.store_release(&b);
}

void unlink(bucket& b, node& n) noexcept {
  (n.before != nullptr ? n.before->after : b.first) = n.after;
  (n.after != nullptr ? n.after->before : b.last) = n.before;
}

// From here on the node's fiber may find it gone; it stays until it is told.
void take_out(bucket& b, node& n, taken_list& out) noexcept {
  unlink(b, n);
  out.add(n);
  n.where.store_release(nullptr);
}

template <class F>
void each(bucket& b, F&& f) noexcept {
  node* next;
  for (node* n = b.first; n != nullptr; n = next) {
    next = n->after;
    if (!f(*n)) return;
  }
}

// A signal handler's wake met its own thread's lock, and what it was for is not known any more. A futex wait may end without a
// reason (futex(2)): all look for themselves.
void wake_for_nothing(bucket& b) noexcept {
  while (b.missed.exchange(false)) {
    taken_list all;
    if (!lock(b, 0)) return;
    each(b, [&](node& n) {
      take_out(b, n, all);
      return true;
    });
    // Not by unlock: it would come back here.
    b.word.store_release((b.word.load_relaxed() & count_mask) - static_cast<unsigned>(all.count));
    tell(nullptr, all);
  }
}

// On the node's hub.
void arrive(hub&, core::remote_node* r) noexcept {
  auto* n = static_cast<node*>(r);
  n->arrived = true;
  if (n->target != nullptr) detail::unpark(*n->target);  // else it has not come to park yet, and will look
}

bool lock_both(bucket& a, bucket& b) noexcept {
  bucket& low = &a < &b ? a : b;
  bucket& high = &a < &b ? b : a;
  if (!lock(low, 0)) return false;
  if (&low == &high || lock(high, 0)) return true;
  unlock(low);
  return false;
}

bool nobody_in(bucket& b) noexcept {
  if (b.word.load_relaxed() != 0) return false;
  // The caller may have changed the futex word by a plain store just before: it must be visible before this look.
  full_barrier();
  return b.word.load_relaxed() == 0;
}

// Links when `judge(value)` says `linked`.
template <class Judge>
link_result link_if(node& n, Judge judge) noexcept {
  if (!used.load_relaxed()) used.exchange(true);
  bucket& b = bucket_of(n.at.address);
  if (!lock(b, 1)) return link_result::busy;
  std::uint32_t value = 0;
  const link_result r =
      load_word(reinterpret_cast<const void*>(n.at.address), value) ? judge(value) : link_result::fault;
  if (r == link_result::linked) {
    append(b, n);
    unlock(b);
  } else {
    unlock(b, 1);
  }
  return r;
}

}  // namespace

inside::inside(hub* own) noexcept {
  if (own == nullptr) return;
  block_ = own->block;
  ++block_->in_weft;
  asm volatile("" : : : "memory");
}

inside::~inside() {
  asm volatile("" : : : "memory");
  if (block_ != nullptr) --block_->in_weft;
}

bool ever_used() noexcept { return used.load_seq_cst(); }

link_result link_if_equal(node& n, std::uint32_t expected) noexcept {
  return link_if(n, [expected](std::uint32_t value) {
    return value == expected ? link_result::linked : link_result::different;
  });
}

link_result link_if_owned(node& n, std::uint32_t tid, bool owned_by_caller) noexcept {
  return link_if(n, [&](std::uint32_t value) {
    for (;;) {
      const std::uint32_t owner = value & FUTEX_TID_MASK;
      if (owner == 0 || (owner == tid) != owned_by_caller) return link_result::different;
      bool swapped = (value & FUTEX_WAITERS) != 0;
      if (!swapped && !exchange_word(reinterpret_cast<void*>(n.at.address), value, value | FUTEX_WAITERS, swapped))
        return link_result::fault;
      if (swapped) return link_result::linked;
    }
  });
}

long hand_over(std::uint64_t address, std::uint32_t owner, std::uint32_t mark, taken_list& out) noexcept {
  bucket& b = bucket_of(address);
  if (!lock(b, 0)) return -EBUSY;
  node* heir = nullptr;
  bool others = false;
  each(b, [&](node& n) {
    if (n.at != key{address, kind::handed}) return true;
    if (heir != nullptr) others = true;
    else heir = &n;
    return !others;
  });
  auto* word = reinterpret_cast<void*>(address);
  std::uint32_t value = 0;
  long result = load_word(word, value) ? 0 : -EFAULT;
  for (bool swapped = false; result == 0 && !swapped;) {
    const std::uint32_t kept = mark != 0 ? value & FUTEX_WAITERS : 0;
    const std::uint32_t fresh = mark | (heir == nullptr ? kept : heir->bitset | (others ? FUTEX_WAITERS : kept));
    if ((value & FUTEX_TID_MASK) != owner)
      result = -EPERM;
    else if (!exchange_word(word, value, fresh, swapped))
      result = -EFAULT;
  }
  const bool taken = result == 0 && heir != nullptr;
  if (taken) take_out(b, *heir, out);
  unlock(b, taken ? 1 : 0);
  return result;
}

bool withdraw(node& n) noexcept {
  while (bucket* b = n.where.load_acquire()) {
    if (!lock(*b, 0)) continue;
    const bool still = n.where.load_relaxed() == b;  // else it was moved meanwhile
    if (still) {
      unlink(*b, n);
      n.where.store_relaxed(nullptr);
    }
    unlock(*b, still ? 1 : 0);
    if (still) return true;
  }
  return false;
}

bool nobody_waits(key k) noexcept { return nobody_in(bucket_of(k.address)); }

void take(key k, int most, std::uint32_t bits, taken_list& out) noexcept {
  bucket& b = bucket_of(k.address);
  if (nobody_in(b) || !lock(b, 0)) return;
  int taken = 0;
  each(b, [&](node& n) {
    if (n.at != k || (n.bitset & bits) == 0) return true;
    take_out(b, n, out);
    return ++taken < most;
  });
  unlock(b, static_cast<unsigned>(taken));
}

long take_and_move(key from, key to, int wake_most, long move_most, const std::uint32_t* check, taken_list& out) noexcept {
  bucket &a = bucket_of(from.address), &b = bucket_of(to.address);
  if (!lock_both(a, b)) return 0;
  long moved = 0;
  std::uint32_t value = 0;
  if (check != nullptr) {
    if (!load_word(reinterpret_cast<const void*>(from.address), value)) moved = -EFAULT;
    else if (value != *check) moved = -EAGAIN;
  }
  if (moved == 0)
    each(a, [&](node& n) {
      if (n.at != from) return true;
      if (out.count < wake_most) {
        take_out(a, n, out);
      } else if (moved < move_most) {
        n.at = to;
        ++moved;
        if (&a != &b) {
          unlink(a, n);
          append(b, n);
          b.word.store_relaxed(b.word.load_relaxed() + 1);
        }
      }
      return out.count < wake_most || moved < move_most;
    });
  const unsigned left = static_cast<unsigned>(out.count) + (&a != &b && moved > 0 ? static_cast<unsigned>(moved) : 0);
  unlock(a, left);
  if (&a != &b) unlock(b);
  return moved;
}

void tell(hub* own, taken_list& list) noexcept {
  node* next;
  for (node* n = list.first; n != nullptr; n = next) {
    next = n->after;  // once told, the node may be gone
    hub* home = n->home;
    if (home == own) {
      arrive(*own, n);
      continue;
    }
    posting.add(1);
    n->run = arrive;
    core::hub_post(*home, *n);
    posting.sub(1);
  }
  list = taken_list{};
}

void forget_hub(hub& h) noexcept {
  for (bucket& b : buckets) {
    if (nobody_in(b) || !lock(b, 0)) continue;
    unsigned gone = 0;
    each(b, [&](node& n) {
      if (n.home == &h) unlink(b, n), n.where.store_relaxed(nullptr), ++gone;
      return true;
    });
    unlock(b, gone);
  }
  while (posting.load_seq_cst() != 0) sys::raw(SYS_sched_yield);
}

void hold_all() noexcept {
  for (bucket& b : buckets) lock(b, 0);
}

void release_all() noexcept {
  for (bucket& b : buckets) unlock(b);
}

void release_all_in_child(hub* survivor) noexcept {
  posting.store_relaxed(0);
  for (bucket& b : buckets) {
    unsigned gone = 0;
    each(b, [&](node& n) {
      if (n.home != survivor) unlink(b, n), ++gone;
      return true;
    });
    unlock(b, gone);
  }
}

}  // namespace weft::io::futex
