#include "patch/stop_handler.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <ucontext.h>

#include "sys/syscall.hpp"

namespace weft::patch {

stop_order* weft_patch_stop_order = nullptr;
void* weft_patch_previous_action = nullptr;

stopped_thread* slot_of(stop_order& order, std::uint32_t tid) noexcept {
  for (std::uint32_t k = tid * 2654435761u;; ++k) {
    stopped_thread* t = &order.threads[k & order.mask];
    const std::uint32_t there = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);
    if (there == tid || there == 0) return t;
  }
}

namespace {

template <class Row>
const Row* find(const Row* rows, std::size_t count, std::uintptr_t Row::*key, std::uintptr_t wanted) noexcept {
  std::size_t low = 0, high = count;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (rows[middle].*key < wanted) low = middle + 1;
    else high = middle;
  }
  return low < count && rows[low].*key == wanted ? &rows[low] : nullptr;
}

void report_progress(stop_order& order) noexcept {
  __atomic_add_fetch(&order.progress, 1, __ATOMIC_RELEASE);
  sys::raw(SYS_futex, &order.progress, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

void move_away(const stop_order& order, ucontext_t& context) noexcept {
  greg_t* const r = context.uc_mcontext.gregs;
  auto pc = static_cast<std::uintptr_t>(r[REG_RIP]);
  if (r[REG_RAX] == -EINTR)
    if (const restart_point* p = find(order.restarts, order.restart_count, &restart_point::behind_site, pc)) {
      pc -= 2;
      r[REG_RIP] = static_cast<greg_t>(pc);
      r[REG_RAX] = p->nr;
    }
  if (const moved_address* m = find(order.moved, order.moved_count, &moved_address::from, pc))
    r[REG_RIP] = static_cast<greg_t>(m->to);
}

}  // namespace

void weft_patch_stop_handler(int signal, void* info, void* context) {
  const auto* why = static_cast<siginfo_t*>(info);
  stop_order* const order = __atomic_load_n(&weft_patch_stop_order, __ATOMIC_ACQUIRE);
  if (why->si_code != SI_QUEUE || why->si_value.sival_ptr != &weft_patch_stop_order) {
    using action = void (*)(int, void*, void*);
    if (auto previous = reinterpret_cast<action>(__atomic_load_n(&weft_patch_previous_action, __ATOMIC_RELAXED)))
      previous(signal, info, context);
    return;
  }
  if (order == nullptr) return;
  stopped_thread* const self = slot_of(*order, static_cast<std::uint32_t>(sys::raw(SYS_gettid)));
  if (self->tid == 0) return;
  std::uint32_t expected = asked;
  if (!__atomic_compare_exchange_n(&self->state, &expected, waiting, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return;
  report_progress(*order);
  while (__atomic_load_n(&order->go_on, __ATOMIC_ACQUIRE) == 0)
    sys::raw(SYS_futex, &order->go_on, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, nullptr);
  // Another core's changes to code are seen after a serializing instruction (Intel SDM 3A, 8.1.3), which a return by
  // sysret is not.
  unsigned a = 0, b, c = 0, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
  move_away(*order, *static_cast<ucontext_t*>(context));
  __atomic_store_n(&self->state, released, __ATOMIC_RELEASE);
  report_progress(*order);
}

}  // namespace weft::patch
