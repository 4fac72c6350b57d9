// The memory of what few threads have (thread.hpp). Threads of the kernel's may set something of a green thread, too: hence the lock, which
// nobody holds while anything else happens.
#include <new>

#include "green/thread.hpp"
#include "sys/atomic.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

constexpr std::size_t chunk_bytes = 4 * sys::page_size;

particulars* unused = nullptr;
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
  if (unused == nullptr) {
    auto* chunk = static_cast<char*>(sys::map(chunk_bytes));
    if (chunk == nullptr) return nullptr;
    for (std::size_t at = 0; at + sizeof(particulars) <= chunk_bytes; at += sizeof(particulars)) {
      auto* p = reinterpret_cast<particulars*>(chunk + at);
      p->next_free = unused;
      unused = p;
    }
  }
  particulars* p = unused;
  unused = p->next_free;
  return p;
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
  t.rare->next_free = unused;
  unused = t.rare;
  t.rare = nullptr;
}

void particulars_after_fork() noexcept { lock.store_relaxed(0); }

}  // namespace weft::green
