#include "io/signal_actions.hpp"

#include <cerrno>

#include "core/overflow.hpp"
#include "io/user_memory.hpp"
#include "sys/atomic.hpp"
#include "sys/own_handlers.hpp"
#include "sys/process_mark.hpp"
#include "sys/syscall.hpp"

namespace weft::io {
namespace {

// Two places for each signal, so that a handler always finds a whole one: `version` counts changes, the newest is at its parity.
struct place {
  sys::atomic<unsigned> version;
  signal_action actions[2];
};
place places[most_signals + 1];

// What the kernel keeps of sa_flags (UAPI_SA_FLAGS on x86).
constexpr std::uint64_t known_flags = 0xdc000807;
constexpr std::uint64_t never_blocked = signal_bit(SIGKILL) | signal_bit(SIGSTOP);

std::uint64_t text_begin = 0, text_end = 0;

// Set once there are green threads.
bool for_threads = false;
const void* usual_restorer = nullptr;
int own_signal = 0;
std::uint64_t seen_by_default = 0;
bool all_on_own_stack = false;

constexpr std::uint64_t with_restorer = 0x04000000;
constexpr std::uint64_t bits(int flags) noexcept { return static_cast<std::uint32_t>(flags); }

const void* const entry = reinterpret_cast<const void*>(&weft_signal_entry);

bool is_handler(const void* handler) noexcept { return reinterpret_cast<std::uintptr_t>(handler) > 1; }  // not SIG_DFL, SIG_IGN

long kernel_action(int number, const signal_action* set, signal_action* get) noexcept {
  return sys::raw(SYS_rt_sigaction, number, set, get, 8);
}

void keep(int number, const signal_action& a) noexcept {
  place& p = places[number];
  const unsigned next = p.version.load_relaxed() + 1;
  p.actions[next & 1] = a;
  p.version.store_seq_cst(next);
}

signal_action for_kernel(const signal_action& a) noexcept {
  signal_action k = a;
  k.handler = const_cast<void*>(entry);
  k.flags = (k.flags | SA_SIGINFO) & ~bits(SA_RESETHAND);
  return k;
}

bool on_own_stack(int number) noexcept { return number == SIGSEGV || number == SIGBUS; }

// Also without a handler: a fault may be Weft's to mend, and a signal that a call of one thread raises is not the process's fate when
// that thread blocks it.
bool always_taken(int number) noexcept {
  return on_own_stack(number) || number == SIGPIPE || number == SIGXFSZ || (seen_by_default & signal_bit(number)) != 0;
}

signal_action for_kernel_of_threads(int number, const signal_action& a) noexcept {
  const bool taken = is_handler(a.handler) || (always_taken(number) && a.handler == nullptr) || on_own_stack(number);
  if (!taken) return a;
  constexpr std::uint64_t kept = SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT;
  signal_action k{};
  k.handler = const_cast<void*>(entry);
  k.flags = (a.flags & kept) | SA_SIGINFO | SA_NODEFER | with_restorer | (all_on_own_stack || on_own_stack(number) ? SA_ONSTACK : 0u);
  k.restorer = (a.flags & with_restorer) != 0 ? a.restorer : const_cast<void*>(usual_restorer);
  return k;
}

// The program's action, as far as the kernel knows it.
signal_action found_in_kernel(int number) noexcept {
  signal_action found{};
  kernel_action(number, nullptr, &found);
  if (found.handler == entry) return action_of(number);
  if (on_own_stack(number) && found.handler == core::fault_handler) {
    const core::fault_action& before = core::programs_fault_actions[number == SIGBUS ? 1 : 0];
    return {before.handler, before.flags, found.restorer, before.mask};
  }
  if (sys::is_own_handler(found.handler)) return {};
  return found;
}

// A forked child finds the lock open.
struct change : sys::masked_spin_guard {
  change() noexcept : masked_spin_guard(sys::this_process().actions_lock) {}
};

}  // namespace

void note_own_text(const void* begin, const void* end) noexcept {
  text_begin = reinterpret_cast<std::uint64_t>(begin);
  text_end = reinterpret_cast<std::uint64_t>(end);
}

bool is_own_text(std::uint64_t address) noexcept { return address - text_begin < text_end - text_begin; }

bool convertible(long number) noexcept {
  if (number < 1 || number > most_signals) return false;
  if (for_threads) return number != SIGKILL && number != SIGSTOP;
  switch (number) {
    case SIGKILL: case SIGSTOP: case SIGSEGV: case SIGBUS: case SIGFPE: case SIGILL: case SIGTRAP: case SIGSYS:
    case 32: case 33: return false;
    default: return true;
  }
}

signal_action action_of(int number) noexcept {
  place& p = places[number];
  for (;;) {
    const unsigned version = p.version.load_seq_cst();
    const signal_action a = p.actions[version & 1];
    if (p.version.load_seq_cst() == version) return a;
  }
}

namespace {

// libc's own two signals: the tick's is kept here only; the other is real for threads of the kernel, beside the green ones.
long set_for_threads(int number, signal_action wanted) noexcept {
  wanted.flags &= known_flags;
  wanted.mask &= ~never_blocked;
  if (sys::is_own_handler(wanted.handler)) return kernel_action(number, &wanted, nullptr);
  keep(number, wanted);
  if (number == own_signal) return 0;
  const signal_action k = number == 32 ? wanted : for_kernel_of_threads(number, wanted);
  return kernel_action(number, &k, nullptr);
}

}  // namespace

long set_action(int number, const void* action, void* previous) noexcept {
  signal_action wanted{};
  if (action != nullptr && !copy_in(&wanted, action, sizeof wanted)) return -EFAULT;
  signal_action before{};
  long error = 0;
  {
    const change guard;
    kernel_action(number, nullptr, &before);
    if (before.handler == entry || (for_threads && !sys::is_own_handler(before.handler))) before = action_of(number);
    const bool stood_in = before.handler != nullptr && before.handler == sys::default_stand_in;
    const signal_action stand_in = before;
    if (stood_in) before = {};
    if (action != nullptr && stood_in && wanted.handler == nullptr && !for_threads) {
      error = kernel_action(number, &stand_in, nullptr);  // it has the default action's place already
    } else if (action != nullptr && for_threads) {
      error = set_for_threads(number, wanted);
    } else if (action != nullptr) {
      wanted.flags &= known_flags;
      wanted.mask &= ~never_blocked;
      if (is_handler(wanted.handler) && wanted.handler != entry && !sys::is_own_handler(wanted.handler)) {
        keep(number, wanted);  // first: what arrives from now on finds it
        wanted = for_kernel(wanted);
      }
      error = kernel_action(number, &wanted, nullptr);
    }
  }
  if (error == 0 && previous != nullptr && !copy_out(previous, &before, sizeof before)) error = -EFAULT;
  return error;
}

void adopt_actions() noexcept {
  const change guard;
  for (int number = 1; number <= most_signals; ++number) {
    signal_action found{};
    if (!convertible(number) || kernel_action(number, nullptr, &found) != 0) continue;
    if (!is_handler(found.handler) || found.handler == entry || sys::is_own_handler(found.handler)) continue;
    keep(number, found);
    const signal_action mine = for_kernel(found);
    kernel_action(number, &mine, nullptr);
  }
}

void actions_for_threads(const void* restorer, int tick, std::uint64_t also, bool on_carriers_stack) noexcept {
  const change guard;
  all_on_own_stack = on_carriers_stack;
  seen_by_default = also;
  usual_restorer = restorer;
  own_signal = tick;
  for (int number = 1; number <= most_signals; ++number) {
    if (number == SIGKILL || number == SIGSTOP) continue;
    const signal_action found = found_in_kernel(number);
    keep(number, found);
    if (number == tick || number == 32) continue;
    signal_action there{};
    kernel_action(number, nullptr, &there);
    if (sys::is_own_handler(there.handler) && !on_own_stack(number)) continue;
    const signal_action k = for_kernel_of_threads(number, found);
    if (k.handler == entry) kernel_action(number, &k, nullptr);
  }
  for_threads = true;
}

void reset_action(int number) noexcept {
  const signal_action usual{};
  if (for_threads) {
    keep(number, usual);
    const signal_action k = for_kernel_of_threads(number, usual);
    kernel_action(number, &k, nullptr);
    return;
  }
  kernel_action(number, &usual, nullptr);
}

}  // namespace weft::io
