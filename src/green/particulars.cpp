// The memory of what few threads have (thread.hpp). Threads of the kernel's may set something of a green thread, too: hence the lock, which
// nobody holds while anything else happens.
#include <new>

#include "green/free_list.hpp"
#include "green/thread.hpp"
#include "sys/atomic.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

free_list<particulars, &particulars::next_free, 4 * sys::page_size> unused;
sys::atomic<unsigned> lock;

class locked {
public:
  locked() noexcept {
    while (lock.exchange(1) != 0) sys::raw(SYS_sched_yield);
  }
  ~locked() { lock.store_release(0); }
  locked(const locked&) = delete;
  locked& operator=(const locked&) = delete;
};

particulars* take() noexcept {
  const locked guard;
  return unused.take();
}

}  // namespace

particulars* make_more(thread& t) noexcept {
  if (t.rare == nullptr)
    if (particulars* p = take(); p != nullptr) t.rare = new (p) particulars;
  return t.rare;
}

void drop_more(thread& t) noexcept {
  if (t.rare == nullptr) return;
  const locked guard;
  unused.give(t.rare);
  t.rare = nullptr;
}

void particulars_after_fork() noexcept { lock.store_relaxed(0); }

}  // namespace weft::green
