#include "patch/stop_handler.hpp"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/uio.h>
#include <ucontext.h>

#include "sys/mem.hpp"
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

bool can_be_made_again(long nr) noexcept {
  switch (nr) {
    case SYS_poll:
    case SYS_ppoll:
    case SYS_select:
    case SYS_pselect6:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_pause:
    case SYS_rt_sigtimedwait:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_msgrcv:
    case SYS_msgsnd:
    case SYS_io_getevents:
    case SYS_accept:
    case SYS_accept4:
    case SYS_recvfrom:
    case SYS_recvmsg: return true;
    default: return false;
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

// Where no site has been looked at yet, the instruction in front of the syscall tells its number: mov $nr, %eax.
std::int32_t number_in_front_of(std::uintptr_t behind_site) noexcept {
  unsigned char code[7];
  iovec into{code, sizeof code}, from{reinterpret_cast<void*>(behind_site - sizeof code), sizeof code};
  if (sys::raw(SYS_process_vm_readv, sys::raw(SYS_getpid), &into, 1, &from, 1, 0) != static_cast<long>(sizeof code)) return -1;
  if (code[0] != 0xb8 || code[5] != 0x0f || code[6] != 0x05) return -1;
  std::int32_t nr;
  sys::copy(&nr, code + 1, sizeof nr);
  return nr;
}

void move_away(const stop_order& order, ucontext_t& context) noexcept {
  greg_t* const r = context.uc_mcontext.gregs;
  auto pc = static_cast<std::uintptr_t>(r[REG_RIP]);
  if (r[REG_RAX] == -EINTR) {
    if (const restart_point* p = find(order.restarts, order.restart_count, &restart_point::behind_site, pc)) {
      pc -= 2;
      r[REG_RIP] = static_cast<greg_t>(pc);
      r[REG_RAX] = p->nr;
    } else if (order.restart_count == 0) {
      if (const std::int32_t nr = number_in_front_of(pc); nr >= 0 && can_be_made_again(nr)) {
        r[REG_RIP] = static_cast<greg_t>(pc -= 2);
        r[REG_RAX] = nr;
      }
    }
  }
  if (const moved_address* m = find(order.moved, order.moved_count, &moved_address::from, pc))
    r[REG_RIP] = static_cast<greg_t>(m->to);
}

// The words of a signal frame, counted from its return address (arch/x86/include/asm/sigframe.h and sigcontext.h).
constexpr std::size_t frame_rip = 22, frame_rsp = 21, frame_segments = 24, frame_words = 25;
constexpr std::size_t look_through = 64 * 1024;  // a handler that has gone deeper than this while its thread was stopped: never seen

bool is_return_stub(std::uintptr_t at) noexcept {
  static constexpr unsigned char stub[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
  unsigned char there[sizeof stub];
  iovec into{there, sizeof there}, from{reinterpret_cast<void*>(at), sizeof there};
  if (sys::raw(SYS_process_vm_readv, sys::raw(SYS_getpid), &into, 1, &from, 1, 0) != static_cast<long>(sizeof there)) return false;
  for (std::size_t k = 0; k < sizeof stub; ++k)
    if (there[k] != stub[k]) return false;
  return true;
}

}  // namespace

void move_interrupted_frames(const stop_order& order, std::uintptr_t stack) noexcept {
  std::uintptr_t words[128];
  stack &= ~std::uintptr_t{7};
  for (const std::uintptr_t limit = stack + look_through; stack < limit;) {
    // Read by the kernel, because nothing tells where the stack ends.
    iovec into{words, sizeof words}, from{reinterpret_cast<void*>(stack), sizeof words};
    const long got = sys::raw(SYS_process_vm_readv, sys::raw(SYS_getpid), &into, 1, &from, 1, 0);
    const std::size_t count = got > 0 ? static_cast<std::size_t>(got) / sizeof words[0] : 0;
    if (count < frame_words) return;
    for (std::size_t k = 0; k + frame_words <= count; ++k) {
      const std::uintptr_t at = stack + k * sizeof words[0];
      if ((words[k + frame_segments] & 0xffff) != 0x33 || words[k + frame_rsp] == 0) continue;
      const moved_address* m = find(order.moved, order.moved_count, &moved_address::from, words[k + frame_rip]);
      if (m == nullptr || !is_return_stub(words[k])) continue;
      *reinterpret_cast<std::uintptr_t*>(at + frame_rip * sizeof words[0]) = m->to;
    }
    stack += (count - frame_words + 1) * sizeof words[0];
  }
}

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
  std::uint64_t gs = 0;
  sys::raw(SYS_arch_prctl, ARCH_GET_GS, &gs);
  if (gs == 0) sys::raw(SYS_arch_prctl, ARCH_SET_GS, order->empty_block);
  std::uint32_t expected = asked;
  if (!__atomic_compare_exchange_n(&self->state, &expected, waiting, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return;
  report_progress(*order);
  while (__atomic_load_n(&order->go_on, __ATOMIC_ACQUIRE) == 0)
    sys::raw(SYS_futex, &order->go_on, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, nullptr);
  // Another core's changes to code are seen after a serializing instruction (Intel SDM 3A, 8.1.3), which a return by
  // sysret is not.
  unsigned a = 0, b, c = 0, d;
  asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
  auto& interrupted = *static_cast<ucontext_t*>(context);
  move_away(*order, interrupted);
  if (order->moved_count != 0) move_interrupted_frames(*order, static_cast<std::uintptr_t>(interrupted.uc_mcontext.gregs[REG_RSP]));
  __atomic_store_n(&self->state, released, __ATOMIC_RELEASE);
  report_progress(*order);
}

}  // namespace weft::patch
