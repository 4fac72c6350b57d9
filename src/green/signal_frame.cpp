// Where handlers of the program's run: in frames that the kernel built, on top of the program's own code.
//
// What the handler sees of the frame is the thread's: its mask, its alternate stack, and behind a rewritten site the site's own
// registers. What the kernel gets back with rt_sigreturn is the carrier's.
#include "green/signals.hpp"

#include <cerrno>
#include <elf.h>
#include <sys/resource.h>

#include "core/hub.hpp"
#include "core/overflow.hpp"
#include "green/begin.hpp"
#include "green/end.hpp"
#include "green/file_owners.hpp"
#include "green/stack_arena.hpp"
#include "io/user_memory.hpp"
#include "patch/dispatch.hpp"
#include "patch/stop_handler.hpp"
#include "sys/auxv.hpp"
#include "sys/fault.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

extern "C" {
// signal_frame_x86_64.S
[[gnu::visibility("hidden")]] void weft_green_on_stack(int number, siginfo_t* info, void* context, void* handler, std::uint64_t top);
[[noreturn, gnu::visibility("hidden")]] void weft_green_move(std::uint64_t frame, int number, siginfo_t* info, void* context);
[[gnu::visibility("hidden")]] void weft_green_moved(int number, siginfo_t* info, void* context);
}

namespace weft::green {
namespace {

using program_handler = void (*)(int, siginfo_t*, void*);

// The kernel's ucontext ends with a mask of 8 bytes; libc's type is larger.
constexpr std::size_t context_bytes = offsetof(ucontext_t, uc_sigmask) + set_bytes;
constexpr std::size_t info_bytes = 128;
// return address, context, siginfo
constexpr std::size_t head_bytes = 8 + context_bytes + info_bytes;
constexpr std::size_t red_zone = 128;

std::uint64_t& shown_mask(ucontext_t* u) noexcept { return *reinterpret_cast<std::uint64_t*>(&u->uc_sigmask); }
std::uint64_t word(const ucontext_t* u, int reg) noexcept { return static_cast<std::uint64_t>(u->uc_mcontext.gregs[reg]); }

bool on_alternate(const particulars& s, std::uint64_t sp) noexcept {
  return (s.stack_flags & autodisarm) == 0 && sp - s.stack - 1 < s.stack_size;
}

// The thread's stack setting, as a frame shows it.
void show_stack(const particulars& s, ucontext_t* u) noexcept {
  u->uc_stack.ss_sp = reinterpret_cast<void*>(s.stack);
  u->uc_stack.ss_size = s.stack_size;
  const bool on = on_alternate(s, word(u, REG_RSP));
  u->uc_stack.ss_flags = static_cast<int>(s.stack_flags) | (s.stack_size == 0 ? SS_DISABLE : on ? SS_ONSTACK : 0);
}

void take_stack(thread& t, const ucontext_t* u) noexcept {
  const bool none = (u->uc_stack.ss_flags & SS_DISABLE) != 0;
  if ((none && t.rare == nullptr) || make_more(t) == nullptr) return;
  particulars& s = *t.rare;
  s.stack_flags = static_cast<std::uint32_t>(u->uc_stack.ss_flags) & autodisarm;
  s.stack = reinterpret_cast<std::uint64_t>(u->uc_stack.ss_sp);
  s.stack_size = none ? 0 : u->uc_stack.ss_size;
}

// A frame at a site's entry, shown as the frame that the kernel would have made at the site.
class site_view {
public:
  explicit site_view(ucontext_t* u) noexcept : u_(u) {
    if (!patch::is_interrupted_entry(word(u, REG_RIP))) return;
    frame_ = reinterpret_cast<patch::call_frame*>(word(u, REG_RBP) + 8);
    kept_ = reinterpret_cast<patch::kept_answer*>(word(u, REG_RSP));
    rip_ = u->uc_mcontext.gregs[REG_RIP];
    rsp_ = u->uc_mcontext.gregs[REG_RSP];
    rbp_ = u->uc_mcontext.gregs[REG_RBP];
    auto& r = u->uc_mcontext.gregs;
    const bool before_call = kept_->pass != 0;
    r[REG_RDI] = frame_->rdi;
    r[REG_RSI] = frame_->rsi;
    r[REG_RDX] = frame_->rdx;
    r[REG_R10] = frame_->r10;
    r[REG_R8] = frame_->r8;
    r[REG_R9] = frame_->r9;
    r[REG_RBP] = reinterpret_cast<const long*>(frame_)[-1];
    r[REG_RAX] = before_call ? frame_->nr : kept_->result;
    r[REG_RCX] = reinterpret_cast<greg_t>(frame_->site);
    r[REG_R11] = r[REG_EFL];
    shown_rip_ = r[REG_RIP] = reinterpret_cast<greg_t>(frame_->site) - (before_call ? 2 : 0);
    shown_rsp_ = r[REG_RSP] = reinterpret_cast<greg_t>(frame_) + static_cast<greg_t>(patch::frame_to_caller_stack);
  }
  // What a handler changed counts: other registers go back with the call; another place to go on is gone to.
  void give_back() noexcept {
    if (frame_ == nullptr) return;
    auto& r = u_->uc_mcontext.gregs;
    if (r[REG_RIP] != shown_rip_ || r[REG_RSP] != shown_rsp_) return;
    frame_->rdi = r[REG_RDI];
    frame_->rsi = r[REG_RSI];
    frame_->rdx = r[REG_RDX];
    frame_->r10 = r[REG_R10];
    frame_->r8 = r[REG_R8];
    frame_->r9 = r[REG_R9];
    reinterpret_cast<long*>(frame_)[-1] = r[REG_RBP];
    if (kept_->pass == 0) kept_->result = r[REG_RAX];
    r[REG_RIP] = rip_;
    r[REG_RSP] = rsp_;
    r[REG_RBP] = rbp_;
  }

private:
  ucontext_t* u_;
  patch::call_frame* frame_ = nullptr;
  patch::kept_answer* kept_ = nullptr;
  greg_t rip_ = 0, rsp_ = 0, rbp_ = 0, shown_rip_ = 0, shown_rsp_ = 0;
};

void nothing_due(const thread& t) noexcept {
  asm volatile("andb %1, %0" : "+m"(t.fiber->call) : "i"(0xff ^ detail::signal_due) : "memory", "cc");
}

void handle(thread& t, siginfo_t& info, ucontext_t* u) noexcept;

void handle_next(thread& t, ucontext_t* u) noexcept {
  siginfo_t info;
  bool shared;
  if (take_pending(t, ~t.signals.mask, info, shared)) handle(t, info, u);
}

// One signal that the thread lets in. May never return.
void handle(thread& t, siginfo_t& info, ucontext_t* u) noexcept {
  const int number = info.si_signo;
  const signal_action a = io::action_of(number);
  if (is_ignored(a, number)) return;
  if (a.handler == nullptr) {
    carry_out(number, info);
    return;
  }
  if ((a.flags & static_cast<std::uint32_t>(SA_RESETHAND)) != 0) io::reset_action(number);
  const std::uint64_t before = t.masked_for_call ? more(t).kept_mask : t.signals.mask;
  t.masked_for_call = false;
  set_mask(t, t.signals.mask | a.mask | ((a.flags & SA_NODEFER) != 0 ? 0 : signal_bit(number)));
  // As in the kernel: a second frame lies on the first, and so its handler runs first.
  while (deliverable(t) != 0) handle_next(t, u);
  nothing_due(t);  // what the handler waits for is no longer ended by the signals that brought it here
  shown_mask(u) = before;
  const particulars& s = more(t);
  show_stack(s, u);
  const std::uint64_t here = reinterpret_cast<std::uint64_t>(__builtin_frame_address(0));
  const bool switches = (a.flags & SA_ONSTACK) != 0 && s.stack_size != 0 && !on_alternate(s, word(u, REG_RSP)) && !on_alternate(s, here);
  const std::uint64_t top = s.stack + s.stack_size;
  if ((s.stack_flags & autodisarm) != 0) t.rare->stack = t.rare->stack_size = t.rare->stack_flags = 0;
  if (switches)
    weft_green_on_stack(number, &info, u, a.handler, top);
  else
    reinterpret_cast<program_handler>(a.handler)(number, &info, u);
  take_stack(t, u);
  set_mask(t, shown_mask(u));
}

// Where a frame of the kernel's ends: behind the vector registers' state (struct _fpx_sw_bytes in its reserved bytes).
std::size_t state_bytes(const ucontext_t* u) noexcept {
  constexpr std::uint32_t magic = 0x46505853;
  const auto* state = reinterpret_cast<const char*>(u->uc_mcontext.fpregs);
  if (state == nullptr) return 0;
  std::uint32_t tag[2];
  __builtin_memcpy(&tag, state + 464, sizeof tag);
  return tag[0] == magic ? tag[1] : 512;
}

bool writable(std::uint64_t from, std::size_t bytes) noexcept {
  for (std::size_t at = 0; at < bytes; at += sys::page_size)
    if (sys::raw(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, from + at, set_bytes) != 0) return false;
  return sys::raw(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, from + bytes - set_bytes, set_bytes) == 0;
}

// The frame lies on the carrier's signal stack, which nobody may keep: it is copied to where the thread wants it. Returns when there is
// no room for it.
void move_frame(std::uint64_t below, int number, ucontext_t* u) noexcept {
  const std::size_t state = state_bytes(u);
  const std::uint64_t state_at = (below - state) & ~std::uint64_t{63};
  const std::uint64_t frame = ((state_at - head_bytes) & ~std::uint64_t{15}) - 8;
  if (!writable(frame - 512, below - frame + 512)) return;
  const auto from = reinterpret_cast<std::uint64_t>(u) - 8;
  sys::copy(reinterpret_cast<void*>(frame), reinterpret_cast<void*>(from), head_bytes);
  if (state != 0) sys::copy(reinterpret_cast<void*>(state_at), u->uc_mcontext.fpregs, state);
  auto* moved = reinterpret_cast<ucontext_t*>(frame + 8);
  if (state != 0) moved->uc_mcontext.fpregs = reinterpret_cast<fpregset_t>(state_at);
  *reinterpret_cast<void (**)()>(frame) = patch::weft_patch_sigreturn;
  weft_green_move(frame, number, reinterpret_cast<siginfo_t*>(frame + 8 + context_bytes), moved);
}

bool on_signal_stack(const ucontext_t* u) noexcept {
  const detail::carrier* c = home->block;
  return reinterpret_cast<std::uint64_t>(u) - c->signal_stack < c->signal_stack_size;
}

std::uint64_t first_stack_end = 0;

bool on_first_stack(std::uint64_t sp) noexcept {
  constexpr std::uint64_t least = 8ul << 20, most = 1ul << 30;
  rlimit64 limit{least, least};
  sys::raw(SYS_prlimit64, 0, RLIMIT_STACK, nullptr, &limit);
  const std::uint64_t bytes = limit.rlim_cur < least ? least : limit.rlim_cur > most ? most : limit.rlim_cur;
  return first_stack_end - sp < bytes;
}

// Below which address a frame for the interrupted code may lie. Code of a thread with an alternate stack may have its stack pointer
// anywhere, as on Erlang's processes, whose stacks grow towards their heaps: what lies below is no room for anybody's frame. On a stack
// that was made to be one, and where code makes a call, there is room.
std::uint64_t room_for_frame(const thread& t, const ucontext_t* u) noexcept {
  const particulars& s = more(t);
  const std::uint64_t sp = word(u, REG_RSP);
  const bool has_room = s.stack_size == 0 || (s.stack_flags & autodisarm) != 0 || on_alternate(s, sp) || arena::touches(sp, 1) ||
                        patch::is_interrupted_entry(word(u, REG_RIP)) || on_first_stack(sp);
  return has_room ? sp - red_zone : s.stack + s.stack_size;
}

// `first`: a fault, which is not pending. Null: what is.
void run(thread& t, ucontext_t* u, siginfo_t* first) noexcept {
  const stack_t kernels = u->uc_stack;
  constexpr std::uint64_t all = ~std::uint64_t{0};
  read_arrivals();
  if (first != nullptr) handle(t, *first, u);
  // Nothing may come between the last look and the return, which lets signals in again.
  for (bool sure = false;; sure = true) {
    if (deliverable(t) != 0) {
      site_view view(u);
      if (sure) sync_kernel_mask(true);
      while (deliverable(t) != 0) handle_next(t, u);
      view.give_back();
    }
    sys::raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, set_bytes);
    read_arrivals();
    if (deliverable(t) == 0) break;
  }
  nothing_due(t);
  u->uc_stack = kernels;
  shown_mask(u) = returned_kernel_mask();
}

// A fault of the running thread's own code. False: it happens again, without a handler.
bool handle_fault(thread& t, int number, siginfo_t* info, ucontext_t* u) noexcept {
  const particulars& s = more(t);
  const signal_action a = io::action_of(number);
  if ((t.signals.mask & signal_bit(number)) != 0 || reinterpret_cast<std::uintptr_t>(a.handler) <= 1) return false;
  if (on_signal_stack(u)) {
    const std::uint64_t sp = word(u, REG_RSP);
    const bool switches = (a.flags & SA_ONSTACK) != 0 && s.stack_size != 0 && !on_alternate(s, sp);
    move_frame(switches ? s.stack + s.stack_size : sp - red_zone, number, u);
    return false;
  }
  run(t, u, info);
  return true;
}

bool is_fault(int number, const siginfo_t* info) noexcept {
  switch (number) {
    case SIGSEGV: case SIGBUS: case SIGFPE: case SIGILL: case SIGTRAP: case SIGSYS: return info->si_code > 0;
    default: return false;
  }
}

// True: the fault is over with, in one way or the other.
bool mend(int number, ucontext_t* u) noexcept {
  if (number != SIGSEGV && number != SIGBUS) return false;
  greg_t& pc = u->uc_mcontext.gregs[REG_RIP];
  if (const std::uint64_t next = sys::after_fault(static_cast<std::uint64_t>(pc))) {
    pc = static_cast<greg_t>(next);
    return true;
  }
  return false;
}

// Threads of the kernel's in a process with green ones, and a vfork child: the carrier's actions block nothing.
void handle_elsewhere(int number, siginfo_t* info, ucontext_t* u) noexcept {
  const signal_action a = io::action_of(number);
  if (is_ignored(a, number)) return;
  if (a.handler == nullptr) {
    if (is_fault(number, info)) {
      let_fault_happen(number, info, u);
      return;
    }
    const std::uint64_t bit = signal_bit(number);
    end_by_default(number);
    sys::raw(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, nullptr, set_bytes);
    sys::raw(SYS_tgkill, sys::raw(SYS_getpid), sys::raw(SYS_gettid), number);
    return;
  }
  if ((a.flags & static_cast<std::uint32_t>(SA_RESETHAND)) != 0) io::reset_action(number);
  const std::uint64_t blocked = a.mask | ((a.flags & SA_NODEFER) != 0 ? 0 : signal_bit(number));
  sys::raw(SYS_rt_sigprocmask, SIG_BLOCK, &blocked, nullptr, set_bytes);
  reinterpret_cast<program_handler>(a.handler)(number, info, u);
}

bool on_carrier() noexcept { return static_cast<std::uint32_t>(sys::raw(SYS_gettid)) == home->thread; }

// A signal that a call of the running thread brought upon it, which the kernel sends to the OS thread.
std::uint32_t own_doing(int number, const siginfo_t* info) noexcept {
  if (number != SIGPIPE && number != SIGXFSZ) return 0;
  if (info->si_code != SI_KERNEL && info->si_pid != static_cast<pid_t>(sys::raw(SYS_getpid))) return 0;
  const thread* t = of(home->block->current);
  return t != nullptr ? t->tid : 0;
}

// On top of the program's code, or a site's entry: to whom it may concern, and at once if that is the running thread.
void deliver(int number, siginfo_t* info, std::uint32_t to, ucontext_t* u) noexcept {
  read_arrivals();
  siginfo_t copy;
  sys::copy(&copy, info, sizeof copy);
  copy.si_signo = number;
  send_on(copy, to);
  run_handlers(*of(home->block->current), u);
}

void take(int number, siginfo_t* info, std::uint32_t to, ucontext_t* u) noexcept {
  if (may_run_handlers(u))
    deliver(number, info, to, u);
  else
    note_arrival(number, *info, to);
}

bool came(int number, siginfo_t* info, void* context) {
  auto* u = static_cast<ucontext_t*>(context);
  if (mend(number, u)) return true;
  if (!on_carrier()) {
    handle_elsewhere(number, info, u);
    return true;
  }
  if (!is_fault(number, info)) {
    take(number, info, own_doing(number, info), u);
    return true;
  }
  if (core::explain_overflow != nullptr && core::explain_overflow(info->si_addr)) {
    let_fault_happen(number, info, u);
    return true;
  }
  thread* t = of(home->block->current);
  const bool at_rest = t != nullptr && may_run_handlers(u);
  if (at_rest && handle_fault(*t, number, info, u)) return true;
  if (at_rest) leave_all_locks();
  let_fault_happen(number, info, u);
  return true;
}

}  // namespace

bool may_run_handlers(const ucontext_t* u) noexcept {
  if (patch::is_interrupted_entry(word(u, REG_RIP))) return true;
  const detail::carrier* c = home->block;
  return in_program(c, c->current, u);
}

void run_handlers(thread& t, ucontext_t* u) noexcept {
  if (!are_virtual) return;
  // A signal whose handler the kernel calls on the carrier's own stack. Where the thread has no room, it stays due.
  if (on_signal_stack(u)) {
    if (deliverable(t) != 0) move_frame(room_for_frame(t, u), 0, u);
    return;
  }
  run(t, u, nullptr);
}

void find_first_stack() noexcept {
  first_stack_end = sys::auxv(AT_EXECFN);  // the kernel's strings, above the frames
}

bool move_tick(thread& t, ucontext_t* u) noexcept {
  if (!on_signal_stack(u)) return true;
  move_frame(room_for_frame(t, u), tick_signal, u);
  return false;
}

bool handlers_due(thread& t) noexcept {
  if (!are_virtual) return false;
  for (;;) {
    read_arrivals();
    if (deliverable(t) != 0) break;
    nothing_due(t);
    if (!t.masked_for_call) return false;
    // A call with a mask of its own was ended by a signal that then came to nothing.
    t.masked_for_call = false;
    set_mask(t, more(t).kept_mask);
  }
  patch::weft_patch_self[0] = static_cast<int>(sys::raw(SYS_getpid));
  patch::weft_patch_self[1] = static_cast<int>(home->thread);
  return true;
}

bool own_signal(siginfo_t* info, ucontext_t* u) noexcept {
  if (!are_virtual) return true;
  if (!on_carrier()) {
    handle_elsewhere(setxid_signal, info, u);
    return true;
  }
  if (is_timers(*info) || is_files(*info)) {
    take(tick_signal, info, 0, u);
    return true;
  }
  if (may_run_handlers(u)) run_handlers(*of(home->block->current), u);
  return true;
}

bool signal_came(int number, siginfo_t* info, void* context) { return came(number, info, context); }

}  // namespace weft::green

// The first code behind a frame that was moved.
void weft_green_moved(int number, siginfo_t* info, void* context) {
  using namespace weft::green;
  auto* u = static_cast<ucontext_t*>(context);
  if (number == tick_signal)
    after_tick(u);
  else
    run(*of(home->block->current), u, number != 0 ? info : nullptr);
}
