// The memory calls of green threads: what glibc maps as a thread's stack comes from the arena (stack_arena.hpp), and what is done to
// such memory later is looked at on every thread.
#include <linux/mman.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "green/rows.hpp"
#include "green/shared_memory.hpp"
#include "green/stack_arena.hpp"
#include "green/thread.hpp"
#include "io/user_word.hpp"

namespace weft::green {
namespace {

std::uint64_t word(long value) noexcept { return static_cast<std::uint64_t>(value); }

// As allocate_stack (nptl/allocatestack.c) and posix_spawn ask for one. A hint, or any other wish, and the kernel decides.
bool wants_stack(const door_frame* f) noexcept {
  const bool like_libc = f->rdx == PROT_NONE || f->rdx == (PROT_READ | PROT_WRITE);
  return f->rdi == 0 && f->r10 == (MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK) && like_libc && self() != nullptr;
}

door_answer on_mmap(door_frame* f, long nr) noexcept {
  if (wants_stack(f)) {
    const std::uint64_t at = arena::map(word(f->rsi), f->rdx != PROT_NONE);
    if (at != 0) return answer(static_cast<long>(at));
  }
  if ((f->r10 & MAP_FIXED) != 0 && (f->r10 & MAP_FIXED_NOREPLACE) == 0 && arena::touches(word(f->rdi), word(f->rsi)))
    arena::about_to_lose(word(f->rdi), word(f->rsi));
  return map_noting_shared(f, nr);
}

door_answer on_mprotect(door_frame* f, long nr) noexcept {
  if (!arena::touches(word(f->rdi), word(f->rsi))) return below(f, nr);
  if ((f->rdx & (PROT_GROWSDOWN | PROT_GROWSUP)) != 0) {
    arena::about_to_change(word(f->rdi), word(f->rsi));
    return below(f, nr);
  }
  if ((f->rdx & PROT_WRITE) == 0) io::forget_pages();
  return answer(arena::protect(word(f->rdi), word(f->rsi), static_cast<int>(f->rdx)));
}

door_answer on_munmap(door_frame* f, long nr) noexcept {
  return arena::touches(word(f->rdi), word(f->rsi)) ? answer(arena::unmap(word(f->rdi), word(f->rsi))) : below(f, nr);
}

door_answer on_change(door_frame* f, long nr) noexcept {
  if (arena::touches(word(f->rdi), word(f->rsi))) arena::about_to_change(word(f->rdi), word(f->rsi));
  return below(f, nr);
}

door_answer on_mremap(door_frame* f, long nr) noexcept {
  if (arena::touches(word(f->rdi), word(f->rsi))) arena::about_to_lose(word(f->rdi), word(f->rsi));
  if ((f->r10 & MREMAP_FIXED) != 0 && arena::touches(word(f->r8), word(f->rdx))) arena::about_to_lose(word(f->r8), word(f->rdx));
  return remap_noting_shared(f, nr);
}

// Advice about the contents of pages changes no mapping; what glibc gives at every thread's end is of that kind.
bool about_contents(long advice) noexcept {
  switch (advice) {
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_WILLNEED:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE: return true;
    default: return false;
  }
}

door_answer on_madvise(door_frame* f, long nr) noexcept { return about_contents(f->rdx) ? below(f, nr) : on_change(f, nr); }

constexpr green_entry rows[] = {
    {SYS_mmap, on_mmap},     {SYS_mprotect, on_mprotect}, {SYS_munmap, on_munmap},         {SYS_mremap, on_mremap},
    {SYS_madvise, on_madvise}, {SYS_mbind, on_change},    {SYS_pkey_mprotect, on_change},  {SYS_remap_file_pages, on_change},
};

}  // namespace

green_rows stack_rows() noexcept { return rows_of(rows); }

}  // namespace weft::green
