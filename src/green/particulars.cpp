// The memory of what few threads have (thread.hpp). Threads of the kernel's may set something of a green thread, too: hence the lock, which
// nobody holds while anything else happens.
#include <new>

#include "green/thread.hpp"
#include "sys/free_list.hpp"
#include "sys/spin_lock.hpp"

namespace weft::green {
namespace {

sys::free_list<particulars, &particulars::next_free, 4 * sys::page_size> unused;
sys::spin_word lock;

particulars* take() noexcept {
  const sys::spin_guard guard(lock);
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
  const sys::spin_guard guard(lock);
  unused.give(t.rare);
  t.rare = nullptr;
}

void particulars_after_fork() noexcept { lock.store_relaxed(0); }

}  // namespace weft::green
