#include "sys/process_mark.hpp"

#include <new>
#include <sys/mman.h>

#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::sys {
namespace {

atomic<process_mark*> mark;
process_mark plain;

}  // namespace

process_mark& this_process() noexcept {
  process_mark* m = mark.load_acquire();
  if (m != nullptr) [[likely]]
    return *m;
  void* page = map(page_size);
  if (page == nullptr || raw(SYS_madvise, page, page_size, MADV_WIPEONFORK) != 0) {
    if (page != nullptr) unmap(page, page_size);
    return plain;
  }
  m = new (page) process_mark;
  m->poller_renewed.store_relaxed(1);
  process_mark* expected = nullptr;
  while (expected == nullptr && !mark.compare_exchange(expected, m)) {
  }
  if (expected == nullptr) return *m;
  unmap(page, page_size);
  return *expected;
}

bool first_renewal() noexcept {
  process_mark& m = this_process();
  return m.poller_renewed.exchange(1) == 0 || &m == &plain;
}

bool owns_memory() noexcept {
  process_mark& m = this_process();
  const auto me = static_cast<unsigned>(raw(SYS_getpid));
  unsigned owner = m.pid.load_acquire();
  while (owner == 0 && !m.pid.compare_exchange(owner, me)) {
  }
  return owner == 0 || owner == me;
}

}  // namespace weft::sys
