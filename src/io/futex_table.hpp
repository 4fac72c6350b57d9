// Who waits on which futex: one table for the process, in buckets with tiny locks, so that any thread finds the fibers of every hub.
//
// A fiber looks at the word and links its node in one critical section of the word's bucket; a waker has changed the word before it
// looks into the bucket: one of the two sees the other. Nodes are taken out under the lock and told after it. A node that was taken
// belongs to its waker until `arrived`: the fiber does not leave before, whatever else ended its park.
// A bucket's lock names its owner, so that a signal handler which interrupts the owner and comes here (sem_post may) is no deadlock.
#pragma once

#include "core/remote.hpp"
#include "io/ended.hpp"
#include "sys/atomic.hpp"

namespace weft::io::futex {

enum class kind : std::uint32_t {
  own,        // FUTEX_PRIVATE_FLAG: only this process's threads wake it
  local,      // without that flag, but known to be woken by Weft alone (a green thread's tid)
  inherited,  // a PI lock held under the waiting fiber's own thread id: by a sibling
  foreign,    // a PI lock held by another thread: woken to try again
  handed,     // a PI lock held by a green thread: woken as its owner. The node's bitset is the waiting thread's id
};

struct key {
  std::uint64_t address;
  kind what;
  bool operator==(const key& o) const noexcept { return address == o.address && what == o.what; }
};

struct bucket;

// One wait on one word, on the waiting fiber's stack.
struct node : core::remote_node {
  node(hub& h, key k, std::uint32_t bits) noexcept : at(k), bitset(bits), home(&h) {}
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  key at;
  std::uint32_t bitset;
  bool arrived = false;               // told: the node is the fiber's again. Only the hub's own thread looks at it
  hub* home;
  detail::waiter* target = nullptr;   // the fiber's present park
  sys::atomic<bucket*> where;         // null when not linked; changes under that bucket's lock
  node* before = nullptr;             // in the bucket
  node* after = nullptr;              // in the bucket; then in a list of taken ones
};

// `word` is 0 while nobody waits and nobody looks: all that a wake costs where no fiber waits. Upper 41 bits: the owner's thread
// pointer without its 6 low bits; lower 23: how many nodes are linked, the one that is about to be linked included.
struct alignas(64) bucket {
  sys::atomic<std::uint64_t> word;
  node* first = nullptr;
  node* last = nullptr;
  sys::atomic<bool> missed;  // somebody came while the lock was its own thread's
};
inline constexpr unsigned bucket_bits = 10, bucket_count = 1u << bucket_bits;
// Touched by futex_table.cpp alone; debuggers look here (inspect/debug_layout.hpp).
extern bucket buckets[bucket_count];

// First come, first taken.
struct taken_list {
  node* first = nullptr;
  node** end = &first;
  int count = 0;
  void add(node& n) noexcept {
    n.after = nullptr;
    *end = &n;
    end = &n.after;
    ++count;
  }
};

// Guards against a handler of the same thread coming in between: calls made meanwhile are not taken for the hub's (door.hpp).
class inside {
public:
  explicit inside(hub* own) noexcept;
  ~inside();
  inside(const inside&) = delete;
  inside& operator=(const inside&) = delete;

private:
  detail::carrier* block_ = nullptr;
};

enum class link_result : std::uint8_t { linked, different, fault, busy };

// Links `n` if the word at its address is `expected`. `busy`: this thread is inside the table already.
link_result link_if_equal(node& n, std::uint32_t expected) noexcept;
// For PI locks: links `n` if the word names an owner and `owned_by_caller` says whether it is `tid`; marks the word as waited for.
link_result link_if_owned(node& n, std::uint32_t tid, bool owned_by_caller) noexcept;
// A PI lock goes from `owner` to who has waited longest as `handed`, whose node is taken, or to nobody: the word is written under the
// bucket's lock, with `mark` (FUTEX_OWNER_DIED, or 0) in it. 0; -EPERM: it is not the owner's; -EFAULT; -EBUSY: this thread is inside
// the table already.
long hand_over(std::uint64_t address, std::uint32_t owner, std::uint32_t mark, taken_list& out) noexcept;
// Takes the node out. False: it was taken by a waker, and `arrived` is or will be set.
bool withdraw(node& n) noexcept;

// Whether a wake of `k` surely finds no fiber. Costs little more than a load.
bool nobody_waits(key k) noexcept;
// Whether any fiber has ever waited.
bool ever_used() noexcept;
// Takes up to `most` nodes, but at least one (as FUTEX_WAKE does), that wait on `k` for one of `bits`, to be told by tell(). When this
// thread is inside the table already, takes none: what waits there will be woken to look for itself.
void take(key k, int most, std::uint32_t bits, taken_list& out) noexcept;
// Takes `wake_most` at most, and moves `move_most` of the rest to `to`; how many were moved. When `check` is not null the word at
// `from` must equal it, else -EAGAIN; -EFAULT.
long take_and_move(key from, key to, int wake_most, long move_most, const std::uint32_t* check, taken_list& out) noexcept;
// Makes the fibers ready, those of other hubs than the calling thread's `own` (door.hpp; null: it has none) through their inboxes.
void tell(hub* own, taken_list& list) noexcept;

// The hub ends: what its fibers left behind is not found any more, and nobody is about to tell them.
void forget_hub(hub& h) noexcept;
// Around fork: no bucket is half changed in the child, which knows only `survivor`'s fibers.
void hold_all() noexcept;
void release_all() noexcept;
void release_all_in_child(hub* survivor) noexcept;

}  // namespace weft::io::futex
