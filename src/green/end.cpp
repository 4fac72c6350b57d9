// A thread's last call. What others wait for (its id's word, on which pthread_join sleeps) is done when nobody stands on its stack any
// more, by whoever runs next: the joiner may unmap that stack at once.
#include "green/end.hpp"

#include <climits>
#include <linux/futex.h>

#include "green/caller.hpp"
#include "io/door.hpp"
#include "io/futex.hpp"
#include "io/user_word.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

void wake_joiners(hub& h, std::uint32_t* word) noexcept {
  if (!io::store_word(word, 0)) return;
  io::futex::taken_list list;
  {
    const io::futex::inside guard(&h);
    io::futex::take({reinterpret_cast<std::uint64_t>(word), io::futex::kind::local}, INT_MAX, FUTEX_BITSET_MATCH_ANY, list);
    io::futex::tell(&h, list);
  }
  if (natives) sys::raw(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

// The leader is over, but the process goes on: its thread id stays, and so does its fiber, which is the hub's main.
[[noreturn]] void rest(hub& h, thread& t) noexcept {
  t.exited = true;
  if (t.clear_tid != nullptr) wake_joiners(h, t.clear_tid);
  for (;;) {
    detail::waiter w("exited");
    w.uncancellable = w.uninterruptible = true;
    detail::park(h, w);
  }
}

[[noreturn]] void end_process(long status) noexcept {
  if (before_exit != nullptr) before_exit();
  // Weft's own threads must not keep the process alive; the program's may.
  for (;;) sys::raw(natives ? SYS_exit : SYS_exit_group, status);
}

}  // namespace

void (*before_exit)() noexcept = nullptr;

bool is_tid_word(std::uint64_t address, std::uint32_t expected) noexcept {
  const thread* t = find(expected);
  return t != nullptr && reinterpret_cast<std::uint64_t>(t->clear_tid) == address;
}

door_answer on_exit(door_frame* frame, long nr) noexcept {
  if (home == nullptr) return below(frame, nr);
  hub* h = io::own_hub();
  if (h == nullptr || h != home) return to_kernel;
  thread* t = self();
  if (t == nullptr) return to_kernel;
  walk_robust_list(*t);
  forget_signals(*t);
  if (t == &leader()) {
    if (alive == 1) end_process(frame->rdi & 0xff);
    rest(*h, *t);
  }
  core::leave_for_good(*h, t->fiber);
}

void thread_over(hub& h, fiber_base* f) noexcept {
  thread& t = *of(f);
  std::uint32_t* const word = t.clear_tid;
  t.alive = false;
  --alive;
  forget_attributes(t);
  if (word != nullptr) wake_joiners(h, word);
  detail::fiber_release(f);
  if (alive == 1 && leader().exited) end_process(0);
}

void free_thread(fiber_base* f) noexcept { give_block(*reinterpret_cast<thread*>(f)); }

}  // namespace weft::green
