// pthread_create, as the kernel sees it: clone(2) and clone3(2) with CLONE_THREAD make a fiber on the stack that libc has prepared.
//
// The child's first words are a copy of its maker's frame in the entry of rewritten sites, with another stack pointer: it comes out of
// the same site with 0. Who starts no thread here goes on below: forks, vforks, and threads of OS threads that carry no green ones.
#include <cerrno>
#include <sched.h>

#include "core/libc_threads.hpp"
#include "core/switch.hpp"
#include "green/begin.hpp"
#include "green/caller.hpp"
#include "green/end.hpp"
#include "green/rows.hpp"
#include "green/thread.hpp"
#include "io/futex.hpp"
#include "io/user_memory.hpp"
#include "io/user_word.hpp"
#include "patch/dispatch.hpp"
#include "sys/mem.hpp"
#include "sys/syscall.hpp"

namespace weft::green {
namespace {

extern "C" {
[[gnu::visibility("hidden")]] door_answer weft_green_clone_site(door_frame* frame, long nr);
[[gnu::visibility("hidden")]] void weft_green_first();
[[gnu::visibility("hidden")]] door_answer weft_green_clone(door_frame* frame, long nr, const std::uint64_t* kept) noexcept;
[[gnu::visibility("hidden")]] void weft_green_arrived(hub& h, fiber_base* left) noexcept;
}

// What clone3 takes, as much of it as threads use.
struct wanted_thread {
  std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

constexpr std::uint64_t shared = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

// Its first and last word tell whether it can be read: it is smaller than a page.
bool take_in(wanted_thread& to, const wanted_thread* user) noexcept {
  std::uint32_t unused;
  const auto at = reinterpret_cast<std::uint64_t>(user);
  if (at % 4 != 0) return io::copy_in(&to, user, sizeof to);
  if (!io::load_word(user, unused) || !io::load_word(reinterpret_cast<const char*>(user) + sizeof to - 4, unused)) return false;
  sys::copy(&to, user, sizeof to);
  return true;
}

bool wants_thread(const door_frame* f, long nr, wanted_thread& w) noexcept {
  if (nr == SYS_clone) {
    const auto flags = static_cast<std::uint64_t>(f->rdi);
    w = {flags, 0, static_cast<std::uint64_t>(f->r10), static_cast<std::uint64_t>(f->rdx), 0, static_cast<std::uint64_t>(f->rsi), 0,
         static_cast<std::uint64_t>(f->r8)};
  } else if (f->rsi < static_cast<long>(sizeof w) || !take_in(w, reinterpret_cast<const wanted_thread*>(f->rdi))) {
    return false;
  }
  return (w.flags & shared) == shared && w.stack != 0 && (w.flags & CLONE_PIDFD) == 0;
}

struct thread_operations {
  static void invoke(fiber_base*) {}
  static void discard(fiber_base*) noexcept {}
  static constexpr detail::fiber_ops operations{invoke, discard, nullptr, sizeof(thread)};
};

// What lies at the top of a stack that begins, below what is the caller's: where it is suspended, and what the entry restores.
struct first_words {
  core::suspended at;
  std::uint64_t kept[5];  // rbx, r12 .. r15
  std::uint64_t frame_pointer;
  patch::call_frame frame;
};
static_assert(sizeof(first_words) == sizeof(core::suspended) + 6 * 8 + sizeof(patch::call_frame), "start_x86_64.S knows the layout");

// Lays the child's stack out; where it is suspended. A stack that cannot be written is a fault, as it would be at the child's first push.
void* prepare_stack(const wanted_thread& w, const door_frame* frame, const std::uint64_t* kept) noexcept {
  char* at = reinterpret_cast<char*>(w.stack + w.stack_size - patch::frame_to_caller_stack - offsetof(first_words, frame));
  first_words image;
  asm volatile("stmxcsr %0" : "=m"(image.at.mxcsr));
  asm volatile("fnstcw %0" : "=m"(image.at.x87));
  image.at.unused = 0;
  image.at.resume_at = reinterpret_cast<const void*>(&weft_green_first);
  image.at.frame_pointer = at + offsetof(first_words, frame_pointer);
  for (std::size_t i = 0; i < sizeof image.kept / sizeof *image.kept; ++i) image.kept[i] = kept[i];
  image.frame_pointer = reinterpret_cast<const std::uint64_t*>(frame)[-1];
  sys::copy(&image.frame, frame, sizeof image.frame);
  sys::copy(at, &image, sizeof image);
  return at;
}

long make_thread(hub& h, const wanted_thread& w, const door_frame* frame, const std::uint64_t* kept) noexcept {
  thread* t = take_block();
  if (t == nullptr) return -EAGAIN;
  // A fiber of another kind makes one for its own function: it has the identity of its OS thread, the leader's.
  const thread* const who = self();
  const thread& maker = who != nullptr ? *who : leader();
  if (!inherit_attributes(*t, maker)) {
    give_block(*t);
    return -EAGAIN;
  }
  inherit_signals(*t, maker);
  void* suspended = prepare_stack(w, frame, kept);
  fiber_base& f = t->own;
  f.home = &h;
  f.ops = &thread_operations::operations;
  f.green = true;
  f.thread_pointer = (w.flags & CLONE_SETTLS) != 0 ? w.tls : h.fs;
  f.context = suspended;
  f.site = reinterpret_cast<const patch::call_frame*>(frame)->site;
  f.created = h.cached_now;
  t->alive = true;
  if ((w.flags & CLONE_CHILD_CLEARTID) != 0) t->clear_tid = reinterpret_cast<std::uint32_t*>(w.child_tid);
  if ((w.flags & CLONE_PARENT_SETTID) != 0) io::store_word(reinterpret_cast<void*>(w.parent_tid), t->tid);
  if ((w.flags & CLONE_CHILD_SETTID) != 0) io::store_word(reinterpret_cast<void*>(w.child_tid), t->tid);
  start_ticking();
  ++alive;
  ++stats.created;
  if (alive > stats.most) stats.most = alive;
  ++h.stats.fibers_created;
  ++h.live;
  core::make_ready(h, &f);
  if (h.traced) [[unlikely]]
    core::trace::spawn(h, &f);
  return t->tid;
}

// On the child's stack, in the place of the answer of its maker's call.
void weft_green_arrived(hub& h, fiber_base* left) noexcept { core::arrived(h, left); }

door_answer weft_green_clone(door_frame* frame, long nr, const std::uint64_t* kept) noexcept {
  wanted_thread w{};
  if ((!wanted && !own_wanted) || core::shows_a_thread) return below(frame, nr);
  if (!wants_thread(frame, nr, w)) {
    // Threads that share less than POSIX threads do, and processes in this memory, are the kernel's.
    if ((w.flags & CLONE_VM) != 0 && (w.flags & CLONE_VFORK) == 0) io::futex::kernel_may_wait = true;
    return below(frame, nr);
  }
  hub* h = begin(frame->vectors != 0);
  if (h == nullptr) {
    if (own_wanted) return answer(-EAGAIN);  // one hub carries green threads
    if (!beginning) natives = io::futex::kernel_may_wait = true;
    return below(frame, nr);
  }
  // libc keeps each thread's id at the same distance from its control block; main's was registered before Weft came.
  if (leader().clear_tid == nullptr && (w.flags & CLONE_CHILD_CLEARTID) != 0)
    leader().clear_tid = reinterpret_cast<std::uint32_t*>(h->own_fs + (w.child_tid - w.tls));
  return answer(make_thread(*h, w, frame, kept));
}

constexpr green_entry rows[] = {
    {SYS_clone, weft_green_clone_site},
    {SYS_clone3, weft_green_clone_site},
    {SYS_exit, on_exit},
};

}  // namespace

green_rows thread_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
