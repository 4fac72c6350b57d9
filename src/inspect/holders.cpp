// Who holds what a fiber waits for: Weft's own locks, which know the fiber, and glibc's, which know the thread.
//
// Other objects have other things at the same places, so nobody is named who is not there: an owner must be a fiber of the process, or
// one of its threads. Condition variables, semaphores and events have no holder, and readers of a lock are only counted.
#include <unordered_map>
#include <unordered_set>

#include "inspect/fibers.hpp"

namespace weft::inspect {

// The ring of waiters runs through its head, which lies inside the lock: by the one that is no waiter's.
void reader::find_own_locks(const std::vector<hub>& hubs, std::vector<fiber>& all, const by_waiter& waiters) {
  std::unordered_map<address, address> heads;  // of waiters whose ring was walked already
  std::unordered_set<address> known;
  for (const fiber& f : all) known.insert(f.at);
  const auto head_of = [&](address waiter) {
    std::vector<address> path;
    address at = waiter;
    while (at != 0 && path.size() <= waiters.size() && waiters.contains(at)) {
      if (const auto there = heads.find(at); there != heads.end()) {
        at = there->second;
        break;
      }
      path.push_back(at);
      at = memory_.get_or<address>(at + at_.link_next);
    }
    if (waiters.contains(at)) at = 0;  // a ring without a head: read while it changed
    for (const address each : path) heads[each] = at;
    return at;
  };
  const auto here = [&](const fiber& f, address home) { return memory_.get_or<address>(home) == hubs[f.hub].at; };
  for (fiber& f : all) {
    struct wait& w = f.wait;
    // A wait for a condition ends by locking the mutex again, under the same name where a coroutine does it.
    const bool plain = w.reason == "mutex.lock" || w.reason == "condition_variable.wait";
    const bool shared = w.reason.starts_with("shared_mutex.lock");
    if (w.waiter == 0 || (!plain && !shared)) continue;
    const address head = head_of(w.waiter);
    if (head == 0) continue;
    const address lock = head - (plain ? at_.mutex_waiters : at_.shared_waiters);
    if (!here(f, lock + (plain ? at_.mutex_home : at_.shared_home))) continue;
    const auto owner = memory_.get_or<address>(lock + (plain ? at_.mutex_owner : at_.shared_owner));
    if (known.contains(owner)) {
      w.lock = lock;
      w.owner = owner;
    } else if (shared && owner == 0) {
      w.lock = lock;
      w.readers = memory_.get_or<std::uint64_t>(lock + at_.shared_readers);
    }
  }
}

namespace {

// glibc's struct __pthread_mutex_s begins with the word that its waiters wait on.
struct pthread_mutex {
  std::uint32_t lock, count, owner, users, kind;
};
// And its struct __pthread_rwlock_arch_t, whose waiters wait on either of two words.
struct pthread_rwlock {
  std::uint32_t readers, writers, phase_word, writers_word, unused[2], writer, shared;
};

constexpr std::uint32_t tid_bits = 0x3fffffff;

}  // namespace

std::uint32_t reader::holder_of_mutex(address word, const std::unordered_set<std::uint32_t>& threads) {
  constexpr std::uint32_t contended = 2, any_kind = 0x3ff;
  const auto m = memory_.get<pthread_mutex>(word);
  if (!m) return 0;
  // Priority-inheriting and robust ones have it in the word itself.
  if (m->lock != contended) return threads.contains(m->lock & tid_bits) ? m->lock & tid_bits : 0;
  return m->kind <= any_kind && m->users != 0 && threads.contains(m->owner) ? m->owner : 0;
}

// The address of the lock, when a writer that is known holds it.
address reader::rwlock_around(address word, const std::unordered_set<std::uint32_t>& threads, std::uint32_t& writer) {
  constexpr std::uint32_t write_phase = 1, write_locked = 2;
  for (const std::size_t offset : {offsetof(pthread_rwlock, phase_word), offsetof(pthread_rwlock, writers_word)}) {
    const auto l = memory_.get<pthread_rwlock>(word - offset);
    if (!l || (l->readers & (write_phase | write_locked)) != (write_phase | write_locked)) continue;
    if (l->unused[0] != 0 || l->unused[1] != 0 || l->shared > 1 || !threads.contains(l->writer)) continue;
    writer = l->writer;
    return word - offset;
  }
  return 0;
}

void reader::find_pthread_locks(std::vector<fiber>& all) {
  std::unordered_set<std::uint32_t> threads;
  std::unordered_map<address, address> joined;
  for (const fiber& f : all) {
    if (f.tid != 0) threads.insert(f.tid);
    if (f.tid_word != 0) joined[f.tid_word] = f.at;
  }
  for (const pid_t t : process_.threads()) threads.insert(static_cast<std::uint32_t>(process_.inner_id(t)));
  for (fiber& f : all) {
    struct wait& w = f.wait;
    if (w.futex == 0) continue;
    if (const auto j = joined.find(w.futex); j != joined.end()) {
      w.joins = j->second;
    } else if ((w.holder = holder_of_mutex(w.futex, threads)) != 0) {
      w.lock = w.futex;
    } else {
      w.lock = rwlock_around(w.futex, threads, w.holder);
    }
  }
}

}  // namespace weft::inspect
