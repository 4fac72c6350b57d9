// The counter that stands before the handlers while WEFT_STATS is set.
//
// A fiber's epoch grows by one with every wait that ends: how much it grew within a call is how often that call parked. Calls that a
// thread leaves otherwise (cancellation, siglongjmp, exit) stay uncounted.
#include "green/stats.hpp"
#include "green/thread.hpp"
#include "patch/dispatch.hpp"
#include "sys/syscall.hpp"

namespace weft::green {

call_count call_counts[512];
static_assert(sizeof call_counts / sizeof *call_counts == patch::handler_count);

namespace {

patch::handler counted[patch::handler_count];
bool counting = false;

// Threads of the kernel's may make calls, too; a lost count is cheaper than a locked instruction a call.
void add(std::uint64_t& to, std::uint64_t n) noexcept {
  __atomic_store_n(&to, __atomic_load_n(&to, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

patch::verdict count(patch::call_frame* frame, long nr) {
  const thread* t = self();
  const std::uint32_t before = t != nullptr ? t->fiber->epoch : 0;
  const patch::verdict v = counted[nr](frame, nr);
  call_count& c = call_counts[nr];
  add(c.made, 1);
  if (v.pass == 0) add(c.answered, 1);
  if (t != nullptr) add(c.parks, t->fiber->epoch - before);
  return v;
}

// Their handlers are no functions of the usual kind, or know the frame that lies above theirs.
bool returns_twice_or_never(long nr) noexcept {
  return nr == SYS_clone || nr == SYS_clone3 || nr == SYS_fork || nr == SYS_vfork || nr == SYS_execve || nr == SYS_execveat ||
         nr == SYS_exit || nr == SYS_exit_group || nr == SYS_rt_sigreturn;
}

}  // namespace

bool counts_before(long nr, patch::handler own) noexcept { return patch::handlers[nr] == count && counted[nr] == own; }

void count_calls_again() noexcept {
  if (counting) count_calls();
}

void count_calls() noexcept {
  counting = true;
  for (long nr = 0; nr < patch::handler_count; ++nr) {
    const patch::handler own = patch::handlers[nr];
    if (own == nullptr || own == count || returns_twice_or_never(nr)) continue;
    counted[nr] = own;
    patch::set_handler(nr, count);
  }
}

}  // namespace weft::green
